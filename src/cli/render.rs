//! The words of `render`.

use std::path::PathBuf;

/// What to show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads MAIL_TEMPLATES, MAIL_EXAMPLES, MAIL_LOCALE_FIELD, MAIL_HEADERS, MAIL_FROM, MAIL_REPLY_TO,\n\
    MAIL_REDIRECT_TO and, for --open, TMPDIR; none of them need be set.\n\
    Without --html, --text or --eml: a few headers and the plain text.\n\
    To begin templates of your own: --export DIR, then MAIL_TEMPLATES=DIR."
)]
pub struct Render {
    /// Who signed up
    #[arg(long, value_name = "ID", default_value = "123")]
    pub user_id: String,
    /// To whom it goes
    #[arg(long, value_name = "ADDRESS", default_value = "user@example.com")]
    pub email: String,
    /// The plan; unset: pro, and none in version 1
    #[arg(long, value_name = "PLAN")]
    pub plan: Option<String>,
    /// The event's schema version
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub version: u32,
    /// The event in this file, JSON as it is published, with all its fields
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user_id", "email", "plan", "version"])]
    pub event: Option<PathBuf>,
    /// In this language (such as de-AT) instead of the one that the event asks for
    #[arg(long, value_name = "TAG")]
    pub locale: Option<String>,
    /// The HTML alone
    #[arg(long, group = "form")]
    pub html: bool,
    /// The plain text alone
    #[arg(long, group = "form")]
    pub text: bool,
    /// The whole mail, as a mail client reads it
    #[arg(long, group = "form")]
    pub eml: bool,
    /// Write it to a file (HTML, unless told) and open that
    #[arg(long)]
    pub open: bool,
    /// Write the built-in templates into this folder, and show nothing
    #[arg(long, value_name = "DIR", exclusive = true)]
    pub export: Option<PathBuf>,
}
