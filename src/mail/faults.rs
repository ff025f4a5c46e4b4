//! What is wrong with a folder of templates: every fault at once, each with its file and line.

use std::fmt;

/// One fault of a folder of templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// The file, by its name in the folder; the folder by its path, where that cannot be read.
    pub file: String,
    /// The line, if the fault is in one.
    pub line: Option<usize>,
    /// What is wrong. Holds words of the template, never a value of an event.
    pub problem: String,
}

impl TemplateFault {
    pub(super) fn new(file: &str, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, problem: problem.into() }
    }

    pub(super) fn at(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::new(file, problem) }
    }

    /// What the template engine found, in a template or while rendering it.
    pub(super) fn of(template: &str, error: &minijinja::Error) -> Self {
        // An error inside of an included file comes with that file's own error.
        let mut inner = error;
        while let Some(next) = std::error::Error::source(inner).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
            inner = next;
        }
        Self { file: inner.name().unwrap_or(template).to_owned(), line: inner.line(), problem: said(inner) }
    }
}

/// The kind of an error, and the piece of the template that it is about. Its detail may quote a value, and is left out.
fn said(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    let piece = error.range().zip(error.template_source()).and_then(|(range, source)| source.get(range));
    let piece = piece.map(|piece| piece.split_whitespace().collect::<Vec<_>>().join(" "));
    match (error.kind(), piece) {
        (ErrorKind::UndefinedError, Some(piece)) => {
            format!("`{piece}` is not defined; `| default(\"\")` makes it optional")
        }
        (ErrorKind::OutOfFuel, _) => "takes too long: a loop without an end, or a page far too large".to_owned(),
        // The wrong piece of a template is its author's text, and holds no value of an event.
        (
            ErrorKind::SyntaxError
            | ErrorKind::TemplateNotFound
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownMethod,
            _,
        ) => match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        },
        (kind, Some(piece)) => format!("{kind}: `{piece}`"),
        (kind, None) => kind.to_string(),
    }
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}
