//! Tiles over HTTP, read by an implementation of C2SP tlog-tiles and signed notes that is not
//! ours: it must come to the same roots and proofs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use attest::{Checkpoint, Envelope, Note, NoteSigner, Sha256, SigningKey};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Reply, Service, Setup, TOKEN, noon, revoked};
use fixtures::log_signer;
use server::register::ReadError;
use signed_note::{Signer as _, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{
    Error, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash, stored_hashes, tree_hash,
};
use tokio::runtime::{Builder, Runtime};

/// Beyond the first full tile.
const SIZE: u64 = 300;

/// A public service over a register that grows.
struct Grown {
    runtime: Runtime,
    service: Service,
    key: SigningKey,
}

impl Grown {
    fn new(setup: Setup) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let service = runtime.block_on(Service::new(&revoked(), setup));
        let key = SigningKey::from_ed25519_seed(&[9; 32]).unwrap();
        Self { runtime, service, key }
    }

    fn of(size: u64) -> Self {
        let grown = Self::new(Setup { public: true, ..Setup::default() });
        (0..size).for_each(|_| grown.grow());
        grown
    }

    /// Adds one entry.
    fn grow(&self) {
        let number = self.runtime.block_on(self.service.size());
        let payload = number.to_string().into_bytes();
        let envelope = Envelope::sign("text/plain", payload, &[&self.key]).unwrap();
        let keys = [self.key.public().clone()];
        let register = self.service.app.register();
        self.runtime.block_on(register.submit(&envelope, &keys, noon())).unwrap();
    }

    fn get(&self, path: &str) -> Reply {
        self.runtime.block_on(self.service.get(path))
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        let reply = self.get(path);
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.media_type, "application/octet-stream", "{path}");
        reply.body
    }

    /// The newest checkpoint, as the other implementation reads it.
    fn checkpoint(&self) -> tlog_tiles::Checkpoint {
        let note = signed_note::Note::from_bytes(&self.get("/checkpoint").body).unwrap();
        let key = log_signer().unwrap().verifier().to_string();
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&key).unwrap())]);
        assert_eq!(note.verify(&known).unwrap().0.len(), 1);
        tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap()
    }
}

/// The tiles of the service; only what the other implementation asks for is fetched.
impl TileReader for Grown {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        // Go's checksum database, which the names come from, has the height in them.
        let path = |tile: &Tile| tile.path().replacen("tile/8/", "/tile/", 1);
        Ok(tiles.iter().map(|tile| self.bytes(&path(tile))).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The other implementation's own tree, made of the entries that were served.
#[derive(Default)]
struct Own(Vec<Hash>);

impl HashReader for Own {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn theirs(hash: &Sha256) -> Hash {
    Hash(*hash.as_bytes())
}

/// The entries of a tile.
fn entries(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(u16::from_be_bytes(*length).into());
        found.push(entry.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    found
}

/// The path of the tile, of hashes or of entries, that has `index` as its last.
fn tile_ending_at(held: &str, index: u64) -> String {
    match index % 256 {
        255 => format!("/tile/{held}/{:03}", index / 256),
        last => format!("/tile/{held}/{:03}.p/{}", index / 256, last + 1),
    }
}

#[test]
fn another_implementation_comes_to_every_root_and_proof() {
    let grown = Grown::new(Setup { public: true, ..Setup::default() });
    let mut own = Own::default();
    let mut roots = Vec::new();
    for size in 0..=SIZE {
        let checkpoint = grown.checkpoint();
        let root = *checkpoint.hash();
        assert_eq!(checkpoint.size(), size);
        assert_eq!(tree_hash(size, &own).unwrap(), root, "{size}");
        if size > 0 {
            // Over HTTP, checked tile by tile.
            let tiles = TileHashReader::new(size, root, &grown);
            assert_eq!(tree_hash(size, &tiles).unwrap(), root, "{size}");
            for index in [0, size / 2, size - 1] {
                let proof = prove_record(size, index, &tiles).unwrap();
                assert_eq!(proof, prove_record(size, index, &own).unwrap(), "{index} of {size}");
            }
        }
        roots.push(root);
        grown.grow();
        let leaf = entries(&grown.bytes(&tile_ending_at("entries", size))).pop().unwrap();
        let more = stored_hashes(size, &leaf, &own).unwrap();
        own.0.extend(more);
    }

    let register = grown.service.app.register();
    for size in 1..=SIZE {
        let root = roots[usize::try_from(size).unwrap()];
        for index in 0..size {
            let ours = grown.runtime.block_on(register.inclusion(index, size)).unwrap();
            assert_eq!(theirs(&ours.root), root, "{index} of {size}");
            let proof: Vec<Hash> = ours.hashes.iter().map(theirs).collect();
            assert_eq!(proof, prove_record(size, index, &own).unwrap(), "{index} of {size}");
            check_record(&proof, size, root, index, theirs(&ours.leaf_hash)).unwrap();
            assert!(check_record(&proof, size, root, index, record_hash(b"other")).is_err());
        }
        for from in 1..=size {
            let ours = grown.runtime.block_on(register.consistency(from, size)).unwrap();
            let old = roots[usize::try_from(from).unwrap()];
            assert_eq!((theirs(&ours.from_root), theirs(&ours.to_root)), (old, root));
            let proof: Vec<Hash> = ours.hashes.iter().map(theirs).collect();
            assert_eq!(proof, prove_tree(size, from, &own).unwrap(), "{from} to {size}");
            check_tree(&proof, size, root, from, old).unwrap();
            assert!(from == size || check_tree(&proof, size, root, from, root).is_err());
        }
    }
}

#[test]
fn another_implementation_refuses_a_tile_with_one_bit_changed() {
    struct Changed<'g>(&'g Grown, usize);

    impl TileReader for Changed<'_> {
        fn height(&self) -> u8 {
            8
        }

        fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
            let mut all = self.0.read_tiles(tiles)?;
            if let Some(byte) = all[0].get_mut(self.1) {
                *byte ^= 1;
            }
            Ok(all)
        }

        fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
    }

    let grown = Grown::of(7);
    let root = *grown.checkpoint().hash();
    for (place, good) in [(0, false), (7 * 32 - 1, false), (7 * 32, true)] {
        let reader = Changed(&grown, place);
        let found = tree_hash(7, &TileHashReader::new(7, root, &reader));
        assert_eq!(found.is_ok(), good, "{place}");
    }
}

#[test]
fn both_sign_checkpoints_alike_and_open_each_others() {
    let (name, seed) = ("log.example/a", [3; 32]);
    let ours = NoteSigner::new(name, SigningKey::from_ed25519_seed(&seed).unwrap()).unwrap();
    let key = ours.verifier().to_string();
    let hash = key.split('+').nth(1).unwrap();
    let secret = STANDARD.encode([&[1][..], &seed].concat());
    let other = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{hash}+{secret}")).unwrap();
    assert_eq!(other.key_id(), u32::from_be_bytes(ours.verifier().hash()));

    for size in [0, 1, 300, u64::MAX] {
        let root = Sha256::of(&size.to_be_bytes());
        let checkpoint = Checkpoint { origin: name.into(), size, root };
        let text = checkpoint.to_string();
        let own = tlog_tiles::Checkpoint::new(name, size, theirs(&root), "").unwrap();
        assert_eq!(own.to_bytes(), text.as_bytes());

        let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        note.add_sigs(&[&other]).unwrap();
        let note = String::from_utf8(note.to_bytes()).unwrap();
        assert_eq!(note, ours.sign(&text).unwrap().to_string());
        assert_eq!(Checkpoint::open(&note, ours.verifier()).unwrap(), checkpoint);
        let forged = note.replacen(&format!("\n{size}\n"), "\n7\n", 1);
        assert!(Checkpoint::open(&forged, ours.verifier()).is_err());
        let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&key).unwrap())]);
        let forged = signed_note::Note::from_bytes(forged.as_bytes()).unwrap();
        assert!(forged.verify(&known).is_err());
    }
}

#[test]
fn both_read_the_same_checkpoints_and_notes() {
    let root = STANDARD.encode([7; 32]);
    let good = format!("log.example/a\n9\n{root}\n");
    let cases = [
        ("as written", good.clone(), true),
        ("with an extension", format!("{good}more\n"), true),
        ("no origin", format!("\n9\n{root}\n"), false),
        ("a zero before", good.replace("\n9\n", "\n09\n"), false),
        ("a sign", good.replace("\n9\n", "\n+9\n"), false),
        ("below zero", good.replace("\n9\n", "\n-9\n"), false),
        ("beyond 64 bits", good.replace("\n9\n", "\n18446744073709551616\n"), false),
        ("a short root", good.replace(&root, "AAAA"), false),
        ("a root that is not base64", good.replace(&root, &"!".repeat(44)), false),
        ("no root", "log.example/a\n9\n".to_owned(), false),
        ("an empty line", format!("{good}\n"), false),
        ("no end", good.trim_end().to_owned(), false),
        ("nothing", String::new(), false),
    ];
    for (name, text, want) in cases {
        assert_eq!(text.parse::<Checkpoint>().is_ok(), want, "{name}");
        assert_eq!(tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).is_ok(), want, "{name}");
    }

    let good = log_signer().unwrap().sign(&good).unwrap().to_string();
    let cases = [
        ("as written", good.clone(), true),
        ("no signature", good.split("— ").next().unwrap().to_owned(), false),
        ("another dash", good.replace("— ", "- "), false),
        ("a line after", format!("{good}\n"), false),
        ("no end", good.trim_end().to_owned(), false),
        ("a control character", good.replace("log.example", "log\texample"), false),
        ("one line", good.replace("\n\n", "\n"), false),
    ];
    for (name, text, want) in cases {
        assert_eq!(text.parse::<Note>().is_ok(), want, "{name}");
        assert_eq!(signed_note::Note::from_bytes(text.as_bytes()).is_ok(), want, "{name}");
    }
}

#[test]
fn every_part_of_a_tile_stays_there() {
    let grown = Grown::of(SIZE);
    let full = grown.bytes("/tile/0/000");
    let leaves = entries(&grown.bytes("/tile/entries/000"));
    assert_eq!((full.len(), leaves.len()), (8192, 256));
    for width in 1..256 {
        let part = grown.bytes(&format!("/tile/0/000.p/{width}"));
        assert_eq!(part, full[..32 * width], "{width}");
        let part = entries(&grown.bytes(&format!("/tile/entries/000.p/{width}")));
        assert_eq!(part, leaves[..width], "{width}");
    }
    for (hash, leaf) in full.chunks(32).zip(&leaves) {
        assert_eq!(hash, record_hash(leaf).0);
    }
    assert_eq!(grown.bytes("/tile/0/001.p/44").len(), 44 * 32);
    assert_eq!(grown.bytes("/tile/1/000.p/1"), Tile::subtree_hash(&full).0);
}

#[test]
fn what_is_not_published_is_not_there() {
    let grown = Grown::of(256);
    let there = ["/tile/0/000", "/tile/0/000.p/255", "/tile/1/000.p/1", "/tile/entries/000.p/1"];
    let not_there = [
        "/tile/0/001",
        "/tile/0/001.p/1",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/1/000",
        "/tile/1/000.p/2",
        "/tile/2/000.p/1",
        "/tile/63/000.p/1",
        "/tile/64/000.p/1",
        "/tile/entries/001.p/1",
        "/tile/entries/x000/000",
        "/tile/00/000",
        "/tile/0/0",
        "/tile/0/000/",
        "/tile/0/%30%30%30",
        "/tile/8/0/000",
        "/tile/data/000",
    ];
    for path in there {
        let reply = grown.get(path);
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.cache, "public, max-age=31536000, immutable", "{path}");
    }
    for path in not_there {
        let reply = grown.get(path);
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!((reply.problem().as_str(), reply.cache.as_str()), ("no-tile", "no-store"));
    }
    // One entry more, and one of them is.
    grown.grow();
    assert_eq!(grown.bytes("/tile/0/001.p/1").len(), 32);
    assert_eq!(grown.get("/tile/0/001.p/2").status, StatusCode::NOT_FOUND);
    assert_eq!(grown.get("/tile/1/000.p/2").status, StatusCode::NOT_FOUND);
    assert_eq!(grown.get("/checkpoint").cache, "no-cache");
}

#[test]
fn an_empty_register_has_a_checkpoint_and_no_tile() {
    let grown = Grown::of(0);
    assert_eq!(grown.checkpoint().size(), 0);
    for path in ["/tile/0/000", "/tile/0/000.p/1", "/tile/entries/000.p/1"] {
        assert_eq!(grown.get(path).problem(), "no-tile", "{path}");
    }
    let path = "tile/0/000.p/1".parse().unwrap();
    let found = grown.runtime.block_on(grown.service.app.register().tile(&path));
    assert!(matches!(found, Err(ReadError::NoTile { size: 0, .. })));
}

#[test]
fn entries_and_tiles_are_for_those_who_may_write_unless_the_register_is_public() {
    let (known, wrong) = (format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}x"));
    let (here, away) = (("host", "localhost:8080"), ("host", "assay.example"));
    let token = || Setup { token: true, ..Setup::default() };
    let public = || Setup { token: true, public: true, ..Setup::default() };
    let (own, shared) = ("private", "public");
    let (known, wrong) = (("authorization", known.as_str()), ("authorization", wrong.as_str()));
    type Row<'r> = (&'r str, Setup, Vec<(&'r str, &'r str)>, Result<&'r str, &'r str>);
    let cases: [Row<'_>; 7] = [
        ("without the token", token(), vec![away], Err("unauthorised")),
        ("with another token", token(), vec![away, wrong], Err("unauthorised")),
        ("with the token", token(), vec![away, known], Ok(own)),
        ("public, without the token", public(), vec![away], Ok(shared)),
        ("on this machine", Setup::default(), vec![here], Ok(own)),
        ("on this machine, under another name", Setup::default(), vec![away], Err("not-public")),
        (
            "public, without a token for writes",
            Setup { public: true, ..Setup::default() },
            vec![away],
            Ok(shared),
        ),
    ];
    for (name, setup, headers, want) in cases {
        let grown = Grown::new(setup);
        grown.grow();
        let artifact = format!("/v1/artifacts/file:{}/bundles", Sha256::of(b"model"));
        let lineage = format!("/v1/lineage/file:{}?direction=up", Sha256::of(b"model"));
        for path in ["/v1/entries/0", "/v1/find", "/v1/find?proofs=true", &artifact, &lineage] {
            let reply = grown.service.send(Method::GET, path, &headers, Vec::new());
            let reply = grown.runtime.block_on(reply);
            match want {
                Ok(_) => assert_eq!(reply.status, StatusCode::OK, "{name}: {path}"),
                Err(code) => assert_eq!(reply.problem(), code, "{name}: {path}"),
            }
        }
        for path in ["/tile/0/000.p/1", "/tile/entries/000.p/1"] {
            let reply = grown.service.send(Method::GET, path, &headers, Vec::new());
            let reply = grown.runtime.block_on(reply);
            match want {
                Ok(cache) => {
                    assert_eq!(reply.status, StatusCode::OK, "{name}");
                    assert!(reply.cache.starts_with(cache), "{name}: {}", reply.cache);
                }
                Err(code) => assert_eq!(reply.problem(), code, "{name}"),
            }
        }
        // Whoever asks for nothing that is there learns nothing of what is.
        let reply = grown.service.send(Method::GET, "/tile/0/009", &headers, Vec::new());
        let reply = grown.runtime.block_on(reply);
        assert_eq!(reply.problem(), want.err().unwrap_or("no-tile"), "{name}");
        // Size and root are for everybody.
        assert_eq!(grown.checkpoint().size(), 1, "{name}");
    }
}
