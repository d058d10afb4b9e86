"""Our register under witnesses: `aics-witness` of PyPI and our own, checked by `aics-tlog`."""

import json
import pathlib
import shutil
import time
import unittest

from aics_tlog import parse_note, parse_vkey, verify_checkpoint

from register import PATIENCE, Register
from witnesses import OwnWitness, PeerWitness, free_port, get


def attest(register, text, check=True):
    """Registers a statement, each text another; gives the answer."""
    (register.folder / "review.json").write_text(json.dumps({"text": text}), encoding="utf-8")
    (register.folder / "model.bin").write_text("weights", encoding="utf-8")
    arguments = ["attest", "--type", "https://example.com/review/v1", "--predicate", "review.json"]
    return register.assay(*arguments, "--subject", "model.bin", check=check)


def log_key(register):
    """The verifier key of the register."""
    return json.loads(register.assay("log", "head", "--json"))["key"]


def held(note, key, witnesses):
    """What `aics-tlog` makes of a note when every witness must have cosigned."""
    keys = [parse_vkey(witness.key) for witness in witnesses]
    return verify_checkpoint(parse_note(note), parse_vkey(key), keys, len(keys))


def bundle_note(register, index):
    """The note in the bundle of an entry."""
    entry = json.loads(register.assay("log", "entry", index, "--json"))
    [log] = entry["bundle"]["verificationMaterial"]["tlogEntries"]
    return log["inclusionProof"]["checkpoint"]["envelope"]


def eventually(question):
    """Asks until the answer is yes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.1)
    return False


def fork_of(register):
    """A second register with the key, the origin and the entries that the first has now."""
    other = Register()
    shutil.copytree(register.folder / ".assay", other.folder / ".assay")
    return other


class Cosigned(unittest.TestCase):
    def test_both_witnesses_cosign_every_checkpoint_and_the_peer_holds_them_to_it(self):
        with Register() as register, PeerWitness() as peer, OwnWitness() as own:
            attest(register, "one")
            key = log_key(register)
            peer.serve(key)
            own.serve(key)
            register.assay("log", "witness", "add", peer.url, peer.key)
            register.assay("log", "witness", "add", own.url, own.key, "--quorum", 2)
            url = register.serve()
            for size, text in enumerate(["two", "three", "four"], start=2):
                attest(register, text)
                for note in (get(f"{url}/checkpoint")[1], bundle_note(register, size - 1)):
                    found = held(note, key, [peer, own])
                    self.assertTrue(found.ok, found.error)
                    self.assertEqual((found.size, found.cosignature_count), (size, 2))
            # The same after both sides were stopped.
            register.stop()
            own.stop()
            own.serve(key)
            register.assay("log", "witness", "remove", "own.example/w1")
            register.assay("log", "witness", "add", own.url, own.key, "--quorum", 2)
            url = register.serve()
            attest(register, "five")
            self.assertTrue(held(get(f"{url}/checkpoint")[1], key, [peer, own]).ok)

    def test_nobody_waits_for_a_witness_without_a_quorum(self):
        with Register() as register, PeerWitness() as peer:
            attest(register, "one")
            key = log_key(register)
            peer.serve(key)
            nowhere = f"http://127.0.0.1:{free_port()}"
            register.assay("log", "witness", "add", nowhere, peer.key)
            url = register.serve()
            attest(register, "two")
            note = get(f"{url}/checkpoint")[1]
            self.assertFalse(held(note, key, [peer]).ok)
            self.assertTrue(verify_checkpoint(parse_note(note), parse_vkey(key)).ok)
            # It is asked elsewhere from now on, and the cosignature comes by itself.
            register.assay("log", "witness", "remove", "peer.example/w1")
            register.assay("log", "witness", "add", peer.url, peer.key)
            attest(register, "three")
            cosigned = lambda: held(get(f"{url}/checkpoint")[1], key, [peer]).ok
            self.assertTrue(eventually(cosigned))

    def test_with_a_quorum_nothing_is_acknowledged_or_shown_that_was_not_cosigned(self):
        with Register() as register, PeerWitness() as peer:
            attest(register, "one")
            key = log_key(register)
            peer.serve(key)
            register.assay("log", "witness", "add", peer.url, peer.key, "--quorum", 1)
            url = register.serve()
            attest(register, "two")
            peer.stop()
            self.assertEqual(attest(register, "three", check=False), "")
            self.assertTrue(held(get(f"{url}/checkpoint")[1], key, [peer]).ok)
            self.assertEqual(held(get(f"{url}/checkpoint")[1], key, [peer]).size, 2)
            # What was kept is registered, once, when the witness is back.
            peer.serve()
            register.assay("log", "submit")
            self.assertEqual(held(get(f"{url}/checkpoint")[1], key, [peer]).size, 3)

    def test_a_trust_file_that_demands_witnesses_believes_only_what_they_cosigned(self):
        with Register() as register, PeerWitness() as peer:
            attest(register, "one")
            peer.serve(log_key(register))
            trust = register.folder / ".assay" / "trust.yaml"
            text = trust.read_text(encoding="utf-8")
            lines = [f"  witnesses: [{{key: {peer.key}, owner: peer}}]", "  quorum: 1"]
            before, after = text.split("\nverifiers:")
            trust.write_text("\n".join([before, *lines, f"verifiers:{after}"]), encoding="utf-8")
            self.assertEqual(register.assay("verify", "model.bin", check=False), "")
            register.assay("log", "witness", "add", peer.url, peer.key)
            register.assay("log", "witness", "ask")
            self.assertIn("read all 1 entries", register.assay("verify", "model.bin"))
            # The smallest change: one entry more, which nobody has cosigned yet.
            attest(register, "two")
            self.assertEqual(register.assay("verify", "model.bin", check=False), "")
            register.assay("log", "witness", "ask")
            self.assertIn("read all 2 entries", register.assay("verify", "model.bin"))


class Forked(unittest.TestCase):
    def forked(self, witness, copy_then, says):
        """The register and its copy part ways; the witness has cosigned the first."""
        with Register() as register, witness() as witness:
            attest(register, "one")
            key = log_key(register)
            witness.serve(key)
            register.assay("log", "witness", "add", witness.url, witness.key)
            with fork_of(register) as other:
                attest(register, "two")
                register.assay("log", "witness", "ask")
                for text in copy_then:
                    attest(other, text)
                url = other.serve()
                log = (other.folder / "service.log").read_text(encoding="utf-8")
                self.assertIn("this register is not the one that its witness saw", log)
                self.assertEqual(get(f"{url}/readyz")[0], 503)
                self.assertEqual(attest(other, "more", check=False), "")
                [evidence] = (other.folder / ".assay" / "register" / "fork").iterdir()
                evidence = json.loads(evidence.read_text(encoding="utf-8"))
                self.assertIn(says, evidence["says"])
                self.assertTrue(evidence["proven"], "our own signature is under both notes")
                self.assertNotEqual(evidence["ours"], evidence["theirs"])
                # Nothing is allowed without the service either, until somebody has decided.
                other.stop()
                self.assertEqual(other.assay("verify", "model.bin", check=False), "")
                other.assay("log", "witness", "remove", witness.key)
                other.assay("log", "witness", "settle")
                self.assertIn("believed", other.assay("verify", "model.bin"))
            # The register that the witness knows goes on.
            attest(register, "three")
            asked = json.loads(register.assay("log", "witness", "ask", "--json"))
            self.assertTrue(asked["met"] and asked["witnesses"][0]["cosigned"])

    def test_the_peer_refuses_another_tree_of_the_same_size(self):
        self.forked(PeerWitness, ["other"], "is another")

    def test_the_peer_refuses_a_larger_tree_of_another_history(self):
        self.forked(PeerWitness, ["other", "and more"], "does not extend")

    def test_the_peer_has_seen_more_than_a_register_from_yesterday_has(self):
        self.forked(PeerWitness, [], "but there are 1")

    def test_our_witness_refuses_another_tree_of_the_same_size(self):
        self.forked(OwnWitness, ["other"], "is another")

    def test_our_witness_refuses_a_larger_tree_of_another_history(self):
        self.forked(OwnWitness, ["other", "and more"], "does not extend")

    def test_our_witness_has_seen_more_than_a_register_from_yesterday_has(self):
        self.forked(OwnWitness, [], "but there are 1")


class Remembered(unittest.TestCase):
    """What a command that asks a service makes of a register with two histories.

    A folder of the reader's own remembers what the service showed; what the service leaves out of
    an answer it cannot notice, and the answer says whose claim it is.
    """

    def test_a_client_of_a_service_notices_a_fork_and_a_rollback_and_keeps_both_notes(self):
        with Register() as register, Register() as reader:
            attest(register, "one")
            trust = register.folder / ".assay" / "trust.yaml"
            (reader.folder / ".assay").mkdir()
            shutil.copy(trust, reader.folder / ".assay" / "trust.yaml")
            shutil.copy(register.folder / "model.bin", reader.folder / "model.bin")
            with fork_of(register) as older, fork_of(register) as other:
                attest(register, "two")
                attest(other, "another")
                attest(other, "and more")
                ask = lambda url, **how: reader.assay("verify", "model.bin", "--server", url, **how)
                self.assertIn("claims", ask(register.serve()))
                for hostile, what in [(older, "rollback"), (other, "fork")]:
                    self.assertEqual(ask(hostile.serve(), check=False), "", what)
                    [kept] = (reader.folder / ".assay" / "monitor").glob(f"*-{what}-*")
                    self.assertEqual(len(list(kept.iterdir())), 2)
                self.assertIn("claims", ask(register.url), "the honest one is believed again")


class Killed(unittest.TestCase):
    def test_a_witness_that_is_killed_knows_everything_that_it_cosigned(self):
        with Register() as register, OwnWitness() as own:
            attest(register, "0")
            key = log_key(register)
            for number in range(1, 8):
                own.serve(key)
                register.assay("log", "witness", "add", own.url, own.key)
                asked = json.loads(register.assay("log", "witness", "ask", "--json"))
                own._process.kill()
                own._process.wait()
                self.assertTrue(asked["witnesses"][0]["cosigned"], asked)
                [note] = pathlib.Path(own.folder, ".assay", "witness").glob("*.note")
                self.assertEqual(note.read_text(encoding="utf-8").split("\n")[1], str(number))
                register.assay("log", "witness", "remove", own.key)
                attest(register, str(number))


if __name__ == "__main__":
    unittest.main()
