//! Whether a service may decide and add: what suspends it, and its register's witnesses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::App;
use crate::http::ApiError;
use crate::register::{Breakdown, Receipt, Signed, Storage};
use crate::verdicts::{Cause, Currency};
use crate::witness::{Cosigning, CosigningError};

/// What a request is about to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// To say what is so by all that the register has.
    Deciding,
    /// To add to the register.
    Adding,
}

impl<S> App<S> {
    /// Says that nothing may be decided, for as long as `cause` stands, or that it no longer does.
    pub(crate) fn suspend(&self, cause: Cause, stands: bool) {
        if self.verdicts.suspend(cause, stands) {
            if stands {
                tracing::error!("verdicts do not count: {cause}");
            } else {
                tracing::info!("verdicts count again; no longer so: {cause}");
            }
        }
    }
}

impl<S: Storage> App<S> {
    /// The service, with witnesses for its register. It decides nothing until [`App::compared`].
    #[must_use]
    pub fn with_witnesses(self, cosigning: Cosigning) -> Self {
        let compared = AtomicBool::new(false);
        let app = Self { cosigning: Some(cosigning), compared, ..self };
        app.look_for_forks();
        app
    }

    /// Who asks the witnesses of the register, if anybody does.
    pub(crate) const fn cosigning(&self) -> Option<&Cosigning> {
        self.cosigning.as_ref()
    }

    /// Holds every verdict up while there is a fork that nobody has settled.
    pub(crate) fn look_for_forks(&self) {
        let forked = self.cosigning.as_ref().is_some_and(|cosigning| cosigning.fork().is_some());
        self.suspend(Cause::Fork, forked);
    }

    /// Says that the register was held against as many of its witnesses as answered.
    pub fn compared(&self) {
        self.look_for_forks();
        self.compared.store(true, Ordering::Release);
    }

    /// Ends when the register takes nothing more until it is opened anew.
    pub(crate) async fn broken(&self) -> Breakdown {
        let mut broken = self.broken.subscribe();
        // The sender lives as long as this.
        let found = broken.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(breakdown) => breakdown,
            None => std::future::pending().await,
        }
    }

    /// After whatever may have failed: decides nothing more once the register is broken.
    pub(super) fn look_for_breakdown(&self) {
        let Some(breakdown) = self.register.storage().breakdown() else { return };
        self.suspend(Cause::Register, true);
        self.broken.send_if_modified(|broken| {
            let is_new = broken.is_none();
            if is_new {
                tracing::error!(why = %breakdown.why, "the register takes nothing more");
                *broken = Some(breakdown);
            }
            is_new
        });
    }

    /// Refuses what may not be done while the register may be forked, or something else suspends
    /// the service.
    pub(crate) fn require_sound(&self, purpose: Purpose) -> Result<(), ApiError> {
        if !self.compared.load(Ordering::Acquire) {
            return Err(ApiError::NotReady("the register is being held against its witnesses"));
        }
        let stops = |cause: Cause| match purpose {
            Purpose::Deciding => true,
            Purpose::Adding => cause.stops_adding(),
        };
        match self.verdicts.currency() {
            Currency::Suspended(cause) if stops(cause) => Err(ApiError::NotReady(cause.as_str())),
            Currency::Suspended(_) | Currency::Cold | Currency::Behind | Currency::Current => {
                Ok(())
            }
        }
    }

    /// The newest checkpoint that the register shows: under a quorum of its witnesses, if one is
    /// asked for. Whatever is given out to be proven is under it, and nothing above it is.
    pub(crate) async fn shown(&self) -> Result<Arc<Signed>, ApiError> {
        let newest = self.register.signed().await?;
        match &self.cosigning {
            Some(cosigning) => cosigning.shown(newest).ok_or(ApiError::NothingWitnessed),
            None => Ok(newest),
        }
    }

    /// Refuses while there is no checkpoint to show. Not behind those who read: a probe waits for
    /// nobody.
    pub(crate) async fn require_shown(self: Arc<Self>) -> Result<(), ApiError>
    where
        S: 'static,
    {
        if self.cosigning.is_none() {
            return Ok(());
        }
        let runtime = tokio::runtime::Handle::current();
        let shown = tokio::task::spawn_blocking(move || runtime.block_on(self.shown()).map(drop));
        shown.await.unwrap_or(Err(ApiError::Internal))
    }

    /// Before something is acknowledged: waits for the quorum of witnesses over every entry that
    /// there is, if one is asked for, and puts the receipts under the checkpoint that they
    /// cosigned.
    pub(crate) async fn require_witnesses(&self, receipts: &mut [Receipt]) -> Result<(), ApiError> {
        if receipts.is_empty() || !self.require_quorum().await? {
            return Ok(());
        }
        let shown = self.shown().await?;
        for receipt in receipts {
            receipt.bundle = self.register.bundle_under(receipt.index, &shown).await?;
        }
        Ok(())
    }

    /// Waits for the quorum of witnesses over every entry that there is, if one is asked for; says
    /// whether there are witnesses at all.
    pub(crate) async fn require_quorum(&self) -> Result<bool, ApiError> {
        let Some(cosigning) = &self.cosigning else { return Ok(false) };
        let size = self.register.signed().await?.checkpoint.size;
        let met = cosigning.require(&self.register, size).await;
        self.look_for_forks();
        self.require_sound(Purpose::Adding)?;
        match met {
            Ok(true) => Ok(true),
            Ok(false) | Err(CosigningError::Stopping) => Err(ApiError::NotWitnessed),
            Err(error) => Err(ApiError::undecided(error)),
        }
    }
}
