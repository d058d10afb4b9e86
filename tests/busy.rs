//! A register that has too much to do is asked again, and not for ever.
//!
//! In front of a real service stands one that answers 429 as often as it is told to, and hands
//! everything else through.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test fails by panicking, and may take the time"
)]

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use service::{REVIEW, Service, assay, folder, said};

#[path = "faults_client/service.rs"]
#[allow(dead_code, reason = "shared with tests that kill the service")]
mod service;

/// Stands in front of a service.
struct Front {
    address: SocketAddr,
    refusals: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// In front of the service at `url`; the next `refusals` requests are refused, with
    /// `retry_after` as the time when to come back.
    fn of(url: &str, refusals: usize, retry_after: &'static str) -> Self {
        let service: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refusals = Arc::new(AtomicUsize::new(refusals));
        let ended = Arc::new(AtomicBool::new(false));
        let (left, end) = (Arc::clone(&refusals), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let client = client.unwrap();
                let one_less = |left: usize| left.checked_sub(1);
                if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                    refuse(client, retry_after);
                } else {
                    hand_through(client, service);
                }
            }
        });
        Self { address, refusals, ended, thread: Some(thread) }
    }

    fn refuse(&self, refusals: usize) {
        self.refusals.store(refusals, Ordering::SeqCst);
    }

    fn left(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Reads a request whole and answers that there is too much to do.
fn refuse(client: TcpStream, retry_after: &str) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut length = 0;
    for line in reader.by_ref().lines() {
        let line = line.unwrap().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        assert!(!line.starts_with("transfer-encoding:"), "{line}");
        if line.is_empty() {
            break;
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink()).unwrap();
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: {retry_after}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    (&client).write_all(answer.as_bytes()).unwrap();
}

/// Hands one connection through, to its end.
fn hand_through(client: TcpStream, service: SocketAddr) {
    let service = TcpStream::connect(service).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), service.try_clone().unwrap());
    let upward = thread::spawn(move || {
        let _ = (io::copy(&mut from, &mut to), to.shutdown(Shutdown::Write));
    });
    let _ = io::copy(&mut &service, &mut &client);
    let _ = client.shutdown(Shutdown::Both);
    upward.join().unwrap();
}

/// Says something about the model to the register behind `front`; the status and what was said.
fn attest(folder: &Path, front: &Front, options: &str) -> (Option<i32>, String) {
    let words = format!("{REVIEW} --server http://{}{options}", front.address);
    let output = assay(folder, &words).output().unwrap();
    (output.status.code(), said(&output))
}

#[test]
fn a_busy_register_is_asked_again() {
    let home = folder();
    let service = Service::start(home.path());
    let client = folder();
    for (number, options, notices) in [(0, "", 2), (1, " --quiet", 0)] {
        let front = Front::of(&service.url, 2, "1");
        let started = Instant::now();
        let (status, said) = attest(client.path(), &front, options);
        assert_eq!(status, Some(0), "{said}");
        assert_eq!(said.matches("asking again").count(), notices, "{said}");
        assert_eq!(said.contains("attempt 3 of 8"), notices > 0, "{said}");
        assert!(said.contains(&format!("entry {number}")) || notices == 0, "{said}");
        // One second was asked for; then the command leaves twice that.
        assert!(started.elapsed().as_secs() >= 3);
        assert_eq!(front.left(), 0);
    }
}

#[test]
fn one_that_never_has_time_is_left_with_what_was_signed_kept() {
    let home = folder();
    let service = Service::start(home.path());
    let client = folder();
    for (retry_after, asked, seconds) in [("0", 8, 1), ("61", 1, 61)] {
        let front = Front::of(&service.url, 1000, retry_after);
        let (status, said) = attest(client.path(), &front, "");
        assert_eq!(status, Some(2), "{said}");
        assert_eq!(1000 - front.left(), asked, "{said}");
        for want in [
            "signed, but not registered; the bundle is kept as",
            &format!("has too much to do (429); it was asked {asked} times"),
            &format!("wait {seconds} s or longer and try again"),
            "run `assay log submit` to register what is kept",
        ] {
            assert!(said.contains(want), "`{want}` is not in: {said}");
        }
        // With 61 seconds, one refusal would be one too many.
        front.refuse(usize::from(seconds == 1));
        let output = assay(client.path(), "log submit").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", self::said(&output));
        assert_eq!(fs::read_dir(client.path().join(".assay/unsent")).unwrap().count(), 0);
    }
}
