"""moto keeps an archive of a register: a store that speaks S3 and checks signatures, not Assay's."""

import hashlib
import json
import logging
import unittest
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

from register import Register

BUCKET = "evidence"
PLACE = f"s3://{BUCKET}/of/register"
PREFIX = "of/register/"
REGION = "eu-central-1"
WRONG = "a secret that is wrong"
# Of a statement; two of them fill a segment (16 MiB).
BODY_BYTES = 6_500_000


# A line for each request is too much.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Store:
    """The store, a bucket in it, and somebody who may use it."""

    def __enter__(self):
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._tell("reset", b"")
        iam = self._client("iam", "anybody", "anything")
        iam.create_user(UserName="archiver")
        allowed = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]
        policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        iam.put_user_policy(UserName="archiver", PolicyName="archive", PolicyDocument=policy)
        self.key = iam.create_access_key(UserName="archiver")["AccessKey"]
        self.bucket = self._client("s3", self.key["AccessKeyId"], self.key["SecretAccessKey"])
        self.bucket.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        # From now on every request has to be signed, and by somebody who may.
        self._tell("reset-auth", b"0")
        return self

    def __exit__(self, *_):
        # Its state is that of this process, and the next store's.
        self._tell("reset-auth", b"inf")
        self._server.stop()

    def _tell(self, what, how):
        headers = {"content-type": "text/plain"}
        url = f"{self.url}/moto-api/{what}"
        with urllib.request.urlopen(urllib.request.Request(url, how, headers, method="POST")) as answer:
            answer.read()

    def _client(self, service, name, secret):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=name,
            aws_secret_access_key=secret,
        )

    def archive(self, register, *arguments, **variables):
        """Runs `assay log archive`, as somebody with the access key would."""
        known = {
            "AWS_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }
        return register.run("log", "archive", *arguments, **{**known, **variables})

    def objects(self):
        """Every object under its name: its bytes."""
        found = self.bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: self.get(each["Key"]) for each in found}

    def get(self, name):
        return self.bucket.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def put(self, name, content):
        self.bucket.put_object(Bucket=BUCKET, Key=name, Body=content)


def fill(register, count):
    """Adds statements that take much room."""
    (register.folder / "model.bin").write_text("weights", encoding="utf-8")
    review = register.folder / "review.json"
    for number in range(count):
        review.write_text(json.dumps({"number": number, "notes": "x" * BODY_BYTES}), encoding="utf-8")
        kind = "https://example.com/review/v1"
        register.assay("attest", "--type", kind, "--predicate", review, "--subject", "model.bin")


def answer(done):
    """What a run that went well said."""
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Archived(unittest.TestCase):
    def test_a_bucket_has_a_register_that_can_be_made_again(self):
        with Store() as store, Register() as register, Register() as again:
            fill(register, 3)
            # While it is served.
            register.serve()
            made = answer(store.archive(register, PLACE, "--json"))
            self.assertEqual((made["size"], made["segments"], made["sent"]), (2, 1, 1))
            objects = store.objects()
            [name] = [name for name in objects if name.startswith(PREFIX + "segments/")]
            self.assertTrue(name.endswith(hashlib.sha256(objects[name]).hexdigest()))
            self.assertEqual(len(objects), 3)

            made = answer(store.archive(register, PLACE, "--json"))
            self.assertEqual((made["segments"], made["sent"], made["bytes"]), (1, 0, 0))
            self.assertEqual(store.objects(), objects)
            register.stop()
            fill(register, 2)
            made = answer(store.archive(register, PLACE, "--json"))
            self.assertEqual((made["size"], made["segments"], made["sent"]), (4, 2, 1))
            self.assertLess(objects.items(), store.objects().items())

            key = register.folder / ".assay" / "register" / "key.pem"
            restored = answer(store.archive(again, "--restore", "--key", key, PLACE, "--json"))
            self.assertEqual(restored["root"], made["root"])
            head = json.loads(again.assay("log", "head", "--json"))
            self.assertEqual((head["size"], head["root"]), (4, made["root"]))
            self.assertTrue(again.assay("log", "fsck"))
            fill(again, 1)

    def test_what_is_wrong_is_named_and_nothing_is_written_over(self):
        with Store() as store, Register() as register, Register() as again, Register() as other:
            fill(register, 3)
            answer(store.archive(register, PLACE, "--json"))
            objects = store.objects()
            key = register.folder / ".assay" / "register" / "key.pem"

            def refused(told, *arguments, of=register, **variables):
                done = store.archive(of, *arguments, **variables)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(told, done.stderr)
                for secret in (WRONG, store.key["SecretAccessKey"]):
                    self.assertNotIn(secret, done.stdout + done.stderr)
                self.assertFalse((again.folder / ".assay" / "register" / "journal").exists())

            for name, whole in objects.items():
                if not name.startswith(PREFIX + "checkpoints/"):
                    told = name.removeprefix(PREFIX)
                    place = len(whole) // 2
                    store.put(name, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
                    refused(told, "--restore", "--key", key, PLACE, of=again)
                    store.bucket.delete_object(Bucket=BUCKET, Key=name)
                    refused(f"`{told}` is missing", "--restore", "--key", key, PLACE, of=again)
                    store.put(name, whole)

            fill(other, 3)
            refused("the archive is of", PLACE, of=other)
            theirs = other.folder / ".assay" / "register" / "key.pem"
            refused("not signed", "--restore", "--key", theirs, PLACE, of=again)
            refused("there is no archive", "--restore", "--key", key, f"s3://{BUCKET}/b", of=again)
            refused("cannot archive", PLACE, AWS_SECRET_ACCESS_KEY=WRONG)
            refused("no access key", PLACE, AWS_SECRET_ACCESS_KEY="")
            refused("this machine only", PLACE, AWS_ENDPOINT_URL="http://store.example")
            refused("cannot archive", "s3://nowhere/a")
            # Somebody else's object where the next one goes.
            store.put(f"{PREFIX}checkpoints/0000000002", b"mine")
            objects = store.objects()
            fill(register, 2)
            refused("the archive is of", PLACE)
            self.assertEqual(store.objects(), objects)


if __name__ == "__main__":
    unittest.main()
