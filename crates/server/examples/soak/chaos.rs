//! What is done to the services: their processes are killed, their configuration changes, at any time
//! and in any order.
//!
//! Owns the choice of the deed and its victim. Each deed is entered before it is done, as the excuse
//! of what fails by it. Must not judge what follows.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::calls::{Caller, Kind};
use crate::census::{self, Pids};
use crate::clients::World;
use crate::dice::Dice;
use crate::product::Product;
use crate::targets::SOCKET;
use crate::verdict::{Breach, Fault};
use crate::{events, stream};

/// The number of this actor, which no client has.
const ACTOR: u64 = u64::MAX;

/// A service that is described now and then.
pub(crate) const GUEST: &str = "guest";

/// Who does things to the services.
#[derive(Debug)]
pub(crate) struct Chaos {
    world: Arc<World>,
    pids: Pids,
    dice: Dice,
    /// The configuration file.
    file: PathBuf,
    /// Where the control plane's socket is.
    folder: PathBuf,
    control: reqwest::Client,
    fixture: PathBuf,
    with_guest: bool,
}

impl Chaos {
    /// Somebody who has not done anything yet.
    ///
    /// # Errors
    /// When the control plane cannot be spoken to at all.
    pub(crate) fn new(
        world: Arc<World>,
        product: &Product,
        fixture: PathBuf,
    ) -> Result<Self, String> {
        let folder = product.folder().to_owned();
        let control = reqwest::Client::builder().unix_socket(folder.join(SOCKET)).build();
        Ok(Self {
            pids: product.pids(),
            dice: Dice::of(world.seed, ACTOR),
            file: product.configuration(),
            control: control.map_err(|error| error.to_string())?,
            folder,
            fixture,
            with_guest: false,
            world,
        })
    }

    /// Does things for as long as clients come, and leaves the configuration in order.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) async fn rage(mut self) -> io::Result<()> {
        while !self.world.is_closing() {
            sleep(Duration::from_millis(self.dice.between(30, 400))).await;
            let done = match self.dice.below(100) {
                0..64 => self.slay().await,
                64..72 => self.order("stop").await.map(|()| "stop"),
                72..80 => self.order("restart").await.map(|()| "restart"),
                80..96 => self.change().await.map(|()| "reload"),
                _ => self.spoil().map(|()| "bad reload"),
            };
            // Otherwise the victim had ended by itself, or there was none.
            if let Ok(deed) = done {
                self.world.ledger.deed(deed);
            }
        }
        self.with_guest = false;
        self.reload()
    }

    /// Kills a process of a service, most often the server itself.
    async fn slay(&mut self) -> io::Result<&'static str> {
        let signal = if self.dice.percent(70) { Signal::SIGKILL } else { Signal::SIGSEGV };
        let servers_only = self.dice.percent(85);
        let mut choice = Dice::new(self.dice.next());
        let target = self.world.targets.to_hurt(&mut self.dice);
        let marked = look(self.pids).await;
        let own = marked.iter().filter(|marked| marked.service() == target.name);
        let own: Vec<i32> = own
            .filter(|marked| !servers_only || marked.process.parent == self.pids.inner)
            .map(|marked| marked.process.pid)
            .collect();
        let &pid = choice.pick(&own).ok_or(io::ErrorKind::NotFound)?;
        self.world.targets.hurts(target);
        kill(Pid::from_raw(pid), signal)?;
        Ok(signal.as_str())
    }

    /// Has the control plane do something to a service.
    async fn order(&mut self, what: &str) -> io::Result<()> {
        let target = self.world.targets.to_hurt(&mut self.dice);
        self.world.targets.hurts(target);
        let url = format!("http://localhost/api/v1/servers/{}/{what}", target.name);
        let response = events::send(what, self.control.post(url)).await;
        // It may have taken until now.
        self.world.targets.hurts(target);
        match response {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => {
                let seen = format!("[{}] {what} brought {}", target.name, response.status());
                self.world.ledger.breach(Breach::Dishonest, &seen);
                Ok(())
            }
            Err(Fault { breach, seen }) => {
                self.world.ledger.breach(breach, &seen);
                Ok(())
            }
        }
    }

    /// Describes one service otherwise, and lets the guest come or go.
    async fn change(&mut self) -> io::Result<()> {
        let target = self.world.targets.to_hurt(&mut self.dice);
        self.world.targets.replaces(target);
        self.with_guest = !self.with_guest;
        self.reload()?;
        if self.with_guest {
            self.visit_the_guest().await;
        }
        Ok(())
    }

    /// A call to the guest, who may not be there yet, or any more: whatever comes of it is right.
    async fn visit_the_guest(&mut self) {
        let url = format!("{}/servers/{GUEST}/mcp", self.world.base);
        let mut caller = Caller::new(GUEST.to_owned());
        if let Ok(Ok(session)) = stream::Session::open(url, GUEST, false).await {
            let _any = session.call(&caller.call(Kind::Echo, &mut self.dice)).await;
        }
    }

    /// Has a file read that cannot be: nothing may change by it, so it excuses nothing.
    fn spoil(&self) -> io::Result<()> {
        self.exchange(b"{ \"mcpServers\": ")?;
        self.hang_up()
    }

    fn reload(&self) -> io::Result<()> {
        let mut configuration = self.world.targets.configuration(&self.fixture, &self.folder);
        if self.with_guest {
            configuration["mcpServers"][GUEST] = serde_json::json!({ "command": self.fixture });
        }
        self.exchange(configuration.to_string().as_bytes())?;
        self.hang_up()
    }

    /// Puts a file in the place of the other, so that it is never seen by half.
    fn exchange(&self, text: &[u8]) -> io::Result<()> {
        let next = self.file.with_extension("next");
        std::fs::write(&next, text)?;
        std::fs::rename(next, &self.file)
    }

    fn hang_up(&self) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.pids.outer), Signal::SIGHUP)?)
    }
}

/// Every process of the services, looked for on a thread that may block.
pub(crate) async fn look(pids: Pids) -> Vec<census::Marked> {
    tokio::task::spawn_blocking(move || census::marked(pids)).await.unwrap_or_default()
}
