//! Connections, of which there are only so many at a time, and none that says nothing for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// How many connections there are at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// How long a connection may say nothing: longer than any answer takes.
const SILENCE: Duration = Duration::from_secs(60);
/// How long to wait after an error that belongs to no connection, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// A listener with a bound on its connections.
pub(crate) struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    silence: Duration,
}

impl Bounded {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self::within(listener, MAX_CONNECTIONS, SILENCE)
    }

    fn within(listener: TcpListener, connections: usize, silence: Duration) -> Self {
        Self { listener, slots: Arc::new(Semaphore::new(connections)), silence }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Answers are small and written whole.
                    let _ = stream.set_nodelay(true);
                    let silence = self.silence;
                    let alarm = Box::pin(tokio::time::sleep(silence));
                    return (Connection { stream, silence, alarm, _slot: slot }, address);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place back when it ends.
pub(crate) struct Connection {
    stream: TcpStream,
    silence: Duration,
    /// Rings when the other side has said nothing for that long.
    alarm: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(result) => {
                let deadline = Instant::now() + self.silence;
                self.alarm.as_mut().reset(deadline);
                Poll::Ready(result)
            }
            Poll::Pending => match self.alarm.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(100);

    async fn listen(connections: usize, silence: Duration) -> (Bounded, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Bounded::within(listener, connections, silence), address)
    }

    async fn read(connection: &mut Connection) -> io::Result<usize> {
        let mut bytes = [0; 16];
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|context| Pin::new(&mut *connection).poll_read(context, &mut buffer)).await?;
        Ok(buffer.filled().len())
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_until_another_one_has_ended() {
        let (mut bounded, address) = listen(1, LONG).await;
        let _clients: Vec<_> =
            (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let first = bounded.accept().await;
        assert!(tokio::time::timeout(SHORT, bounded.accept()).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(LONG, bounded.accept()).await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_ended_and_one_that_speaks_is_not() {
        let (mut bounded, address) = listen(2, 5 * SHORT).await;
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let (mut connection, _) = bounded.accept().await;
        for _ in 0..4 {
            tokio::time::sleep(SHORT / 2).await;
            client.write_all(b"x").unwrap();
            assert_eq!(read(&mut connection).await.unwrap(), 1);
        }
        let silent = read(&mut connection).await;
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
