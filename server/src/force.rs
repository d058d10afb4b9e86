//! What is in force: whom to believe, and what judges for each stage.
//!
//! Both begin with what a service or a command was started with, and follow what the register says
//! from there: a version of the trust document or an activation that its owners registered counts
//! without anybody starting anything again. Where the register says nothing, the files count.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use attest::{Sha256, StageName};
use policy::Policy;
use verify::{Activations, Followed, PolicyText, Trust};

use crate::admission::Namespaces;

/// What judges for each stage.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    own: Option<Arc<Policy>>,
    registered: BTreeMap<StageName, Registered>,
}

/// A policy that is active for a stage.
#[derive(Clone, Debug)]
struct Registered {
    digest: Sha256,
    read: Result<Arc<Policy>, RulesError>,
}

/// Why nothing judges for a stage.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// There is no policy for it.
    #[error("no policy judges for the stage")]
    None,
    /// The policy that is active cannot be read, though its owners activated it.
    #[error("the policy {digest}, which is active for the stage, cannot be used: {why}")]
    Unreadable {
        /// The digest of the policy.
        digest: Sha256,
        /// What is wrong with it.
        why: String,
    },
}

impl Rules {
    /// The policy of the files alone, if there is one.
    pub fn new(own: Option<Policy>) -> Self {
        Self { own: own.map(Arc::new), registered: BTreeMap::new() }
    }

    /// The same under what a register says.
    #[must_use]
    pub fn under(&self, activations: &Activations) -> Self {
        let mut known: BTreeMap<Sha256, Result<Arc<Policy>, RulesError>> = BTreeMap::new();
        let mut registered = BTreeMap::new();
        for (stage, all) in activations.stages() {
            let Some(active) = all.last() else { continue };
            let digest = active.policy;
            let read = || {
                let policy = activations.policy(&digest);
                let unreadable = |why: String| RulesError::Unreadable { digest, why };
                let policy = policy.ok_or_else(|| unreadable("nobody has its text".into()))?;
                read(policy).map(Arc::new).map_err(unreadable)
            };
            let read = known.entry(digest).or_insert_with(read).clone();
            registered.insert(stage.clone(), Registered { digest, read });
        }
        Self { own: self.own.clone(), registered }
    }

    /// The policy that judges for `stage`.
    ///
    /// # Errors
    /// [`RulesError`]; nobody may be told "allowed" then.
    pub fn policy(&self, stage: &StageName) -> Result<Arc<Policy>, RulesError> {
        match self.registered.get(stage) {
            Some(registered) => registered.read.clone(),
            None => self.own.clone().ok_or(RulesError::None),
        }
    }

    /// The digest of that policy, also where it cannot be read.
    pub fn digest(&self, stage: &StageName) -> Option<Sha256> {
        match self.registered.get(stage) {
            Some(registered) => Some(registered.digest),
            None => self.own.as_ref().map(|own| own.digest()),
        }
    }

    /// Whether the register says what judges for `stage`.
    pub fn is_registered(&self, stage: &StageName) -> bool {
        self.registered.contains_key(stage)
    }

    /// The policy of the files.
    pub const fn own(&self) -> Option<&Arc<Policy>> {
        self.own.as_ref()
    }

    /// Whether nothing judges at all.
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.registered.is_empty()
    }

    /// Every stage for which something judges: those of the file in its order, then the others.
    pub fn stages(&self) -> Vec<StageName> {
        let own = self.own.iter().flat_map(|own| own.stages().map(|(stage, _)| stage.clone()));
        let mut stages: Vec<StageName> = own.collect();
        let others = self.registered.keys().filter(|stage| !stages.contains(stage));
        let others: Vec<StageName> = others.cloned().collect();
        stages.extend(others);
        stages
    }
}

/// Reads a policy that was registered, with the files that were registered with it.
///
/// # Errors
/// What is wrong with it, in words; nothing may be judged by it then.
pub fn read(registered: &PolicyText) -> Result<Policy, String> {
    let policy = Policy::parse_registered(&registered.text, |digest| registered.file(digest));
    let policy = policy.map_err(|error| error.to_string())?;
    // Whose policy it is was judged by this name.
    if policy.name() != registered.name {
        return Err(format!("it is called `{}`, not `{}`", policy.name(), registered.name));
    }
    Ok(policy)
}

/// Everything that is in force at one time.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Whom to believe.
    pub trust: Arc<Trust>,
    /// What judges.
    pub rules: Rules,
    /// Which stage each namespace of a cluster is; none where nothing judges.
    pub namespaces: Option<Namespaces>,
    /// The activations that the rules follow.
    pub(crate) activations: Activations,
}

impl InForce {
    /// Whether this is what a register has come to.
    pub(crate) fn is_of(&self, followed: &Followed) -> bool {
        self.trust.digest() == followed.trust().digest()
            && self.activations == *followed.governing.activations()
    }
}

/// What is in force, as far as the register was followed.
#[derive(Debug)]
pub(crate) struct Force {
    /// The document that was begun with.
    begun: Arc<Trust>,
    mapped: BTreeMap<String, StageName>,
    now: RwLock<Arc<InForce>>,
}

impl Force {
    pub(crate) fn new(
        trust: Trust,
        policy: Option<Policy>,
        mapped: BTreeMap<String, StageName>,
    ) -> Self {
        let begun = Arc::new(trust);
        let rules = Rules::new(policy);
        let namespaces = Namespaces::under(mapped.clone(), &rules);
        let (trust, activations) = (Arc::clone(&begun), Activations::default());
        let now = RwLock::new(Arc::new(InForce { trust, rules, namespaces, activations }));
        Self { begun, mapped, now }
    }

    pub(crate) const fn begun(&self) -> &Arc<Trust> {
        &self.begun
    }

    pub(crate) fn now(&self) -> Arc<InForce> {
        // It is put in whole, so that whoever panicked has left it usable.
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows what a register has come to. Says whether something else is in force now.
    pub(crate) fn follow(&self, followed: &Followed) -> bool {
        let before = self.now();
        if before.is_of(followed) {
            return false;
        }
        let activations = followed.governing.activations();
        // As the service was told: whoever is believed, it answers for others.
        let same = before.trust.digest() == followed.trust().digest();
        let trust = match same {
            true => Arc::clone(&before.trust),
            false => Arc::new(Trust::clone(followed.trust()).for_others()),
        };
        let rules = before.rules.under(activations);
        let namespaces = Namespaces::under(self.mapped.clone(), &rules);
        let activations = activations.clone();
        let after = Arc::new(InForce { trust, rules, namespaces, activations });
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = after;
        true
    }
}
