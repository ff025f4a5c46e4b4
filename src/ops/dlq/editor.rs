//! `dlq redrive --edit ID`: a person edits a letter's event in an editor, and the edited one goes back.
//!
//! Enters: opened DLQs, an id, `VISUAL` or `EDITOR`. Leaves: the edited event in the source queue, its letter deleted.
//! Promises: no letter is held while a person writes; what the worker would refuse is not sent; the file with the event
//! can be read by its owner alone, and is gone at the end.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::confirm::{asked, can_ask};
use super::found::find;
use super::redrive::{ActOptions, look_through, tell};
use super::told::Teller;
use crate::config::{self, ReactionNeeds, SettingsReader};
use crate::letters::sqs::SqsDlq;
use crate::letters::{Edited, Letter, LetterAction, LetterDeed, Selection, Source, draft, edited};
use crate::ops::table::on_terminal;
use crate::ops::{CommandResult, Exit, apart, complain, fail_with, say};
use crate::plain;
use engine::envelope::Topics;
use engine::queue::DeadLetter;

/// SIGINT: Ctrl-C at the keyboard. An editor that ends by it was told so by the person.
const INTERRUPT: i32 = 2;

/// What a person writes with.
pub(super) struct Desk {
    editor: String,
    /// The folder of the file with the event.
    folder: PathBuf,
    /// The topics that each reaction's worker reads.
    topics: BTreeMap<&'static str, Topics>,
}

impl Desk {
    pub(super) fn of(read: &mut SettingsReader<'_>, reactions: &[ReactionNeeds]) -> Self {
        let [visual, editor, folder] =
            ["VISUAL", "EDITOR", "TMPDIR"].map(|name| read.parsed(name, |text| Ok(text.to_owned())));
        let editor = visual.or(editor).unwrap_or_else(|| "vi".to_owned());
        let folder = folder.unwrap_or_else(|| "/tmp".to_owned()).into();
        Self { editor, folder, topics: config::topics_of(read, reactions) }
    }
}

pub(super) async fn edit(
    dlqs: &[SqsDlq],
    id: &str,
    desk: &Desk,
    teller: &Teller,
    json: bool,
    stop: &CancellationToken,
) -> CommandResult {
    let Some((dlq, letter)) = find(dlqs, &[id.to_owned()], stop).await?.pop() else { return Err(Exit::Usage) };
    if dlq.source.is_fifo() {
        return Err(fail_with(Exit::Usage)("a FIFO queue's letters keep their groups only when SQS moves them"));
    }
    let Some((message, id)) = written(&letter, desk, &desk.topics[dlq.name], stop).await? else {
        return Ok(Exit::Clean);
    };
    let with = LetterAction::Replace { with: &message };
    // Found anew: meanwhile somebody else may have moved it.
    let report = look_through(dlq, &Selection::only([letter.id]), 1, &with, stop).await;
    if report.selected == 0 && report.error.is_none() && !stop.is_cancelled() {
        return Err(fail_with(Exit::Unavailable)("the letter is no longer there: nothing was sent"));
    }
    teller.say("edit", dlq.name, &report, stop.is_cancelled()).await;
    let exit = tell(LetterDeed::Redrive, dlq, &report, &ActOptions { yes: true, json, rate: None }, true, stop);
    if report.moved > 0 && !json {
        say(on_terminal("", &format!("Edited, it is the event {id}.")));
    }
    Ok(exit)
}

/// The message that a person makes of the letter, and its event's id. `None`: they changed nothing.
async fn written(
    letter: &Letter,
    desk: &Desk,
    topics: &Topics,
    stop: &CancellationToken,
) -> Result<Option<(DeadLetter, Uuid)>, Exit> {
    let sealed = |error: engine::queue::dead_letter::UnpackError| fail_with(Exit::Unavailable)(error);
    let mut text = draft(letter).map_err(sealed)?;
    loop {
        text = rewritten(&text, desk).await?;
        if stop.is_cancelled() {
            return Err(Exit::Interrupted);
        }
        let rule = match edited(letter, &text, topics).map_err(sealed)? {
            Edited::Ready(message, id) => return Ok(Some((message, id))),
            Edited::Refused(rule) => rule,
            Edited::Unchanged => {
                let text = "Nothing was edited: the letter stays. `dlq redrive ID` sends it as it first came.";
                say(on_terminal("", text));
                return Ok(None);
            }
        };
        complain(format_args!("the worker would refuse it: {rule}"));
        let again = can_ask() && {
            let answer = asked("Edit it again? (y/n) ", stop).await.ok_or(Exit::Interrupted)?;
            answer.trim().eq_ignore_ascii_case("y")
        };
        if !again {
            complain("nothing was sent: the letter stays as it is");
            return Err(Exit::Usage);
        }
    }
}

/// The text after the editor has ended.
async fn rewritten(text: &str, Desk { editor, folder, .. }: &Desk) -> Result<String, Exit> {
    let file = Draft::new(text, folder)
        .map_err(|error| fail_with(Exit::Write)(format!("no file can be written to edit: {}", plain::said(&error))))?;
    let (line, path) = (editor.clone(), file.0.clone());
    // It has the terminal for itself. A signal of the keyboard is first of all its own: it is waited for.
    let ended = apart(move || opened(&line, &path)).await.unwrap_or_else(|| Err(io::ErrorKind::Other.into()));
    match ended {
        Ok(status) if status.success() => std::fs::read_to_string(&file.0)
            .map_err(|error| fail_with(Exit::Usage)(format!("the file cannot be read: {}", plain::said(&error)))),
        Ok(status) if status.signal() == Some(INTERRUPT) || status.code() == Some(128 + INTERRUPT) => {
            Err(Exit::Interrupted)
        }
        Ok(status) => {
            let code = status.code().map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            Err(fail_with(Exit::Usage)(format!("nothing was sent: `{editor}` ended by {code}")))
        }
        Err(error) => Err(fail_with(Exit::Usage)(format!("`{editor}` cannot be started: {}", plain::said(&error)))),
    }
}

/// Runs the editor as a shell does: its variable may hold arguments, too.
fn opened(editor: &str, path: &Path) -> io::Result<ExitStatus> {
    Command::new("sh").args(["-c", &format!("{editor} \"$@\""), editor]).arg(path).status()
}

/// A file for the editor. It holds an address.
struct Draft(PathBuf);

impl Draft {
    fn new(text: &str, folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("user-events-{}.json", Uuid::new_v4()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let draft = Self(path);
        { file }.write_all(text.as_bytes())?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // An editor may have moved it away: then there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}
