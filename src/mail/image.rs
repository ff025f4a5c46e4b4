//! Images that travel with a mail: `<img src="cid:logo.png">` in a template shows `logo.png` of its folder.
//!
//! Enters: files, and HTML that names them. Leaves: each image as a part of a message, ready to be copied; and the HTML with
//! names that no other mail has.

use std::fmt::Write;

use data_encoding::BASE64;

use super::faults::TemplateFault;

/// File endings and their types. SVG is not among them: most mail programs do not show it.
const TYPES: [(&str, &str); 5] =
    [("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp")];
/// All images of a folder together. Base64 makes them a third larger, and every mail carries them.
const MOST_TOGETHER: usize = 1024 * 1024;
/// How a template names an image.
const CID: &str = "cid:";
/// What stands behind an image's name in its id: an id has an `@` (RFC 2392).
const BEHIND: &str = "@templates";

/// An image, as a part of a message.
#[derive(Debug)]
pub(super) struct Image {
    name: String,
    /// Headers and base64, with its last line break.
    pub(super) part: String,
}

impl Image {
    /// The largest file of an image.
    pub(super) const MOST: u64 = 512 * 1024;

    /// Is it an image, by the ending of its name?
    pub(super) fn is_one(file: &str) -> bool {
        content_type(file).is_some()
    }

    pub(super) fn faults(images: &[(String, Vec<u8>)]) -> Vec<TemplateFault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let odd = images.iter().filter(|(name, _)| !name.chars().all(is_plain));
        let mut faults: Vec<_> = odd
            .map(|(name, _)| TemplateFault::new(name, "must have a name of letters, digits, `.`, `-` and `_`"))
            .collect();
        let together: usize = images.iter().map(|(_, bytes)| bytes.len()).sum();
        if together > MOST_TOGETHER {
            let most = MOST_TOGETHER / 1024;
            faults.push(TemplateFault::new("the images", format!("must have at most {most} KiB together")));
        }
        faults
    }

    pub(super) fn new(name: String, bytes: &[u8]) -> Self {
        let kind = content_type(&name).unwrap_or("application/octet-stream");
        let mut part = format!(
            "Content-Type: {kind}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-ID: <{name}{BEHIND}>\r\nContent-Disposition: inline; filename=\"{name}\"\r\n\r\n"
        );
        for line in BASE64.encode(bytes).as_bytes().chunks(76) {
            // Base64 is ASCII, and writing to a string cannot fail.
            let _ = write!(part, "{}\r\n", String::from_utf8_lossy(line));
        }
        Self { name, part }
    }

    /// How the HTML of a mail names it.
    pub(super) fn reference(&self) -> String {
        format!("{CID}{}{BEHIND}", self.name)
    }

    /// The whole image as a `data:` address, for HTML that has no parts beside it.
    pub(super) fn data(&self) -> String {
        let encoded = self.part.split_once("\r\n\r\n").map(|(_, lines)| lines.replace("\r\n", ""));
        let kind = content_type(&self.name).unwrap_or("application/octet-stream");
        format!("data:{kind};base64,{}", encoded.unwrap_or_default())
    }
}

/// The images that this HTML shows, and its source with their ids. A name that no image has is a fault. `cid:` counts where
/// an address stands: behind a quote, a bracket or `=`.
pub(super) fn named_in(
    file: &str,
    source: &str,
    images: &[Image],
    faults: &mut Vec<TemplateFault>,
) -> (String, Vec<usize>) {
    let (mut written, mut named) = (String::with_capacity(source.len() + 64), Vec::new());
    let mut pieces = source.split(CID);
    written.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        if !written.ends_with(['"', '\'', '(', '=']) {
            written.extend([CID, piece]);
            continue;
        }
        let end =
            piece.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))).unwrap_or(piece.len());
        let name = &piece[..end];
        if let Some(n) = images.iter().position(|image| image.name == name) {
            named.push(n);
            written.extend([CID, name, BEHIND, &piece[end..]]);
            continue;
        }
        let line = 1 + written.matches('\n').count();
        faults.push(TemplateFault::at(file, line, format!("no image is called `{name}`")));
        written.extend([CID, piece]);
    }
    (written, named)
}

fn content_type(file: &str) -> Option<&'static str> {
    let (_, ending) = file.rsplit_once('.')?;
    TYPES.iter().find(|(own, _)| ending.eq_ignore_ascii_case(own)).map(|(_, kind)| *kind)
}
