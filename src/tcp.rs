//! How TCP connections are set up, those of clients as those to dashboards.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

/// After how long a silence the other side is asked whether it is still there: who lost the network never says good-bye.
const SILENCE: Duration = Duration::from_mins(1);

/// Has a socket send what there is at once, and notice that nobody is there anymore. What it accepts inherits this.
pub(crate) fn set_up(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 4))
}
