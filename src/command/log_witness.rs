//! `assay log witness`: who cosigns the folder's register, and what came of asking them.

use std::path::PathBuf;

use ::attest::CosignerKey;
use clap::{Args, Subcommand};
use serde::Serialize;
use server::witness::{self, Cosigning, Outcome, Round, WitnessList};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::http;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// Have witnesses cosign the register's checkpoints, so that it cannot show two histories
///
/// While `assay serve` runs, it asks them after every new entry. With a quorum, `/checkpoint` shows
/// only what met it and whoever submits waits for it; without one, cosignatures are added as they
/// come.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    Add(AddArgs),
    Remove(RemoveArgs),
    List(ListArgs),
    Quorum(QuorumArgs),
    Ask(AskArgs),
    Settle(SettleArgs),
}

/// Ask a witness from now on
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  assay log witness add https://witness.example witness.example/w1+7c3e…+BD…")]
struct AddArgs {
    /// Where it answers; `/add-checkpoint` is put after it
    url: String,

    /// Its verifier key
    #[arg(value_name = "VKEY")]
    key: CosignerKey,

    /// How many witnesses must cosign before a checkpoint is shown; 0 waits for none
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,
}

/// Ask a witness no more
#[derive(Args, Debug)]
struct RemoveArgs {
    /// Its name, or its verifier key
    name: String,
}

/// Show who is asked
#[derive(Args, Debug)]
struct ListArgs {}

/// Say how many witnesses must cosign before a checkpoint is shown
#[derive(Args, Debug)]
struct QuorumArgs {
    /// The number; 0 waits for none
    #[arg(value_name = "N")]
    quorum: usize,
}

/// Ask every witness now; a service over the folder does so by itself
#[derive(Args, Debug)]
struct AskArgs {}

/// Say that the register here is the right one, after a witness has seen another
///
/// The evidence is put aside, not deleted. Remove the witness first if it will go on saying so.
#[derive(Args, Debug)]
struct SettleArgs {}

pub fn witness(args: &WitnessArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let folder = cx.home()?.register();
    if !folder.join("journal").is_dir() {
        return Err(Error::NoRegister(folder));
    }
    match &args.command {
        WitnessCommand::Ask(AskArgs {}) => return ask(folder, cx),
        WitnessCommand::Settle(SettleArgs {}) => {
            let aside = witness::settle(&folder)
                .map_err(|error| Error::io(crate::error::Action::Write, &folder, error))?;
            return Ok(Box::new(Settled { version: "assay/settled/v1", aside }));
        }
        _ => {}
    }
    let failed = |source| Error::WitnessList(Box::new(source));
    // Two commands at once lose nothing.
    let _held = cx.home()?.hold()?;
    let mut list = WitnessList::load(&folder).map_err(failed)?;
    match &args.command {
        WitnessCommand::Add(args) => {
            list.add(&args.url, args.key.clone()).map_err(failed)?;
            if let Some(quorum) = args.quorum {
                list.set_quorum(quorum).map_err(failed)?;
            }
            list.save(&folder).map_err(failed)?;
        }
        WitnessCommand::Remove(args) => {
            list.remove(&args.name).map_err(failed)?;
            list.save(&folder).map_err(failed)?;
        }
        WitnessCommand::Quorum(args) => {
            list.set_quorum(args.quorum).map_err(failed)?;
            list.save(&folder).map_err(failed)?;
        }
        WitnessCommand::List(_) | WitnessCommand::Ask(_) | WitnessCommand::Settle(_) => {}
    }
    Ok(Box::new(Listed::of(&list)))
}

fn ask(folder: PathBuf, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let Source::Folder(open) = Source::open(cx)? else { return Err(Error::AskedByService) };
    let cosigning = Cosigning::new(folder, http::agent()?);
    let round = open.wait(cosigning.round(open.register()));
    let round = round.map_err(|source| Error::Cosigning(Box::new(source)))?;
    Ok(Box::new(Asked::of(round)))
}

/// Who is asked.
#[derive(Serialize)]
struct Listed {
    version: &'static str,
    quorum: usize,
    witnesses: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    url: String,
    key: String,
}

impl Listed {
    fn of(list: &WitnessList) -> Self {
        let rows = list.witnesses().iter();
        let rows = rows.map(|one| Row { url: one.url.clone(), key: one.key.to_string() });
        Self { version: "assay/witnesses/v1", quorum: list.quorum(), witnesses: rows.collect() }
    }
}

impl Answer for Listed {
    fn draw(&self, page: &mut Page) {
        if self.witnesses.is_empty() {
            page.line("nobody witnesses the register");
            return;
        }
        let cells = |row: &Row| vec![row.url.clone(), row.key.clone()];
        let rows: Vec<Vec<String>> = self.witnesses.iter().map(cells).collect();
        page.table(&["WITNESS", "KEY"], &rows);
        page.put(Tone::Faint, "quorum  ").text(self.quorum);
        if self.quorum == 0 {
            page.text(": nobody waits for them");
        }
        page.end();
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// What came of asking.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    version: &'static str,
    size: u64,
    root: ::attest::Sha256,
    quorum: usize,
    met: bool,
    forked: bool,
    witnesses: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    witness: String,
    cosigned: bool,
    says: String,
}

impl Asked {
    fn of(round: Round) -> Self {
        let said = |(witness, outcome): &(String, Outcome)| {
            let (cosigned, says) = match outcome {
                Outcome::Cosigned { time } => (true, format!("cosigned at {time} s")),
                Outcome::Absent(why) => (false, why.clone()),
                Outcome::Fork(fork) => (false, fork.says.clone()),
            };
            Said { witness: witness.clone(), cosigned, says }
        };
        Self {
            version: "assay/cosigned/v1",
            size: round.checkpoint.size,
            root: round.checkpoint.root,
            quorum: round.quorum,
            met: round.is_met(),
            forked: round.forks().next().is_some(),
            witnesses: round.outcomes.iter().map(said).collect(),
        }
    }
}

impl Answer for Asked {
    fn exit(&self) -> Exit {
        if self.met && !self.forked { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "entries  ").put(Tone::Strong, self.size).end();
        for said in &self.witnesses {
            let tone = if said.cosigned { Tone::Good } else { Tone::Bad };
            page.put(tone, &said.witness).text("  ").line(&said.says);
        }
        if self.forked {
            page.put(Tone::Bad, "forked").line(
                ": a witness has seen another history; nothing is allowed until \
                 `assay log witness settle`",
            );
        }
        if !self.met {
            page.line(format_args!("fewer than {} cosigned: nothing is shown", self.quorum));
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// A fork that an operator has decided about.
#[derive(Serialize)]
struct Settled {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<PathBuf>,
}

impl Answer for Settled {
    fn draw(&self, page: &mut Page) {
        match &self.aside {
            Some(path) => page.text("settled; the evidence lies in ").line(path.display()),
            None => page.line("there is nothing to settle"),
        };
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
