//! Who is about to revoke, and whether anybody would believe it.

use ::attest::KeyId;

use super::RevokeArgs;
use crate::context::Context;
use crate::error::Error;
use crate::keys::{self, KeyFile, KeysError};

impl RevokeArgs {
    /// The key that is to sign. `None` where none is: without a key whose it is the bundle says, and
    /// what only lists what would fall needs none.
    pub(super) fn signer(&self, cx: &Context<'_>) -> Result<Option<KeyId>, Error> {
        let sign = &self.what.sign;
        if sign.keyless.keyless {
            return Ok(None);
        }
        match KeyFile::find(&cx.home()?, sign.key.as_deref()) {
            Ok(Some(file)) => Ok(Some(file.public(cx.printer)?.id())),
            Ok(None) if self.dry_run => Ok(None),
            // One that was made now nobody would believe.
            Ok(None) => Err(Error::Keys(KeysError::NotFound {
                name: keys::LOCAL.into(),
                known: Vec::new(),
            })),
            Err(Error::Keys(KeysError::Several { .. })) if self.dry_run => Ok(None),
            Err(error) => Err(error),
        }
    }
}
