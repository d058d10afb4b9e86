"""Other people's programs that know one key of our register, while it gets another.

`aics-tlog` audits it by either key, `aics-witness` and our own witness cosign by the key that they
know, and Sigstore's client believes checkpoints by the keys of the trusted root that it was given.
"""

import json
import unittest

from aics_tlog import parse_vkey
from sigstore._internal.rekor.checkpoint import verify_checkpoint
from sigstore._internal.trust import KeyringPurpose
from sigstore.errors import VerificationError
from sigstore.models import TransparencyLogEntry, TrustedRoot
from sigstore_models.rekor import v1 as rekor

from register import Register
from test_tlog import audit
from test_witness import attest, bundle_note, held, log_key
from witnesses import OwnWitness, PeerWitness


def entry_of(register, index):
    """An entry as Sigstore's client has it."""
    shown = json.loads(register.assay("log", "entry", index, "--json"))
    [entry] = shown["bundle"]["verificationMaterial"]["tlogEntries"]
    return TransparencyLogEntry(rekor.TransparencyLogEntry.from_dict(entry))


def believes(keyring, entry):
    """Whether Sigstore's client believes the checkpoint of an entry."""
    try:
        verify_checkpoint(keyring, entry)
    except VerificationError:
        return False
    return True


class Rotation(unittest.TestCase):
    def keyring(self, register, name):
        """What Sigstore's client knows of the register by now."""
        register.assay(
            "trust", "export", "--sigstore", "--url", "https://assay.example", "--output", name
        )
        root = TrustedRoot.from_file(str(register.folder / name / "trusted_root.json"))
        return root.rekor_keyring(KeyringPurpose.VERIFY)

    def test_whoever_knows_one_key_goes_on_until_the_old_one_is_gone(self):
        with Register() as register, PeerWitness() as peer, OwnWitness() as own:
            attest(register, "one")
            old = log_key(register)
            peer.serve(old)
            own.serve(old)
            register.assay("log", "witness", "add", peer.url, peer.key)
            register.assay("log", "witness", "add", own.url, own.key, "--quorum", 2)
            attest(register, "two")
            register.assay("log", "witness", "ask")
            before, early = self.keyring(register, "before"), entry_of(register, 0)

            begun = json.loads(
                register.assay("log", "rotate-key", "--output", "rotation.json", "--json")
            )
            new = begun["to"]
            self.assertEqual(begun["from"], old)
            url = register.serve("--public")
            attest(register, "three")
            for key in (old, new):
                self.assertEqual(audit(url, parse_vkey(key)).size, 4)
                # Both witnesses know the old key alone.
                found = held(bundle_note(register, 3), key, [peer, own])
                self.assertTrue(found.ok, found.error)
            self.assertTrue(believes(before, entry_of(register, 3)))
            register.stop()
            register.assay("trust", "rotate", "rotation.json")
            during = self.keyring(register, "during")
            self.assertTrue(believes(during, entry_of(register, 3)))

            register.assay("log", "rotate-key", "--finish")
            url = register.serve("--public")
            late = entry_of(register, 0)
            self.assertEqual([believes(one, late) for one in (before, during)], [False, True])
            self.assertEqual([believes(one, early) for one in (before, during)], [True, True])
            # The witnesses do not know the new key yet: no quorum, so that nothing newer is shown.
            answer = attest(register, "four", check=False)
            self.assertNotIn("registered as", answer)
            register.stop()
            own.stop()
            own.serve(old, new)
            register.assay("log", "witness", "remove", "own.example/w1")
            register.assay("log", "witness", "remove", "peer.example/w1")
            register.assay("log", "witness", "add", own.url, own.key, "--quorum", 1)
            url = register.serve("--public")
            attest(register, "five")
            self.assertEqual(audit(url, parse_vkey(new)).size, 6)
            self.assertTrue(held(bundle_note(register, 5), new, [own]).ok)
            with self.assertRaises(ValueError):
                audit(url, parse_vkey(old))


if __name__ == "__main__":
    unittest.main()
