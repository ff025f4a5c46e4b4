//! A mail's HTML for a browser, which knows neither the mail's parts nor the reader's colour scheme.
//!
//! Enters: the HTML of a mail, its images, a colour scheme. Leaves: HTML that needs nothing beside it. Pure.

use super::image::Image;

/// The colours that a mail client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preview {
    /// Dark writing on a light ground.
    Light,
    /// The other way round.
    Dark,
}

/// By this a template asks for the reader's colour scheme. A browser would answer with the one of the person before it.
const DARK: &str = "(prefers-color-scheme: dark)";
const LIGHT: &str = "(prefers-color-scheme: light)";
const ALWAYS: &str = "(min-width: 0)";
const NEVER: &str = "(max-width: 0)";

pub(super) fn of<'i>(html: &str, images: impl Iterator<Item = &'i Image>, scheme: Preview) -> String {
    let (dark, light, own) = match scheme {
        Preview::Light => (NEVER, ALWAYS, "light"),
        Preview::Dark => (ALWAYS, NEVER, "dark"),
    };
    let spaced = html.replace("(prefers-color-scheme:dark)", DARK).replace("(prefers-color-scheme:light)", LIGHT);
    let told = spaced
        .replace(DARK, dark)
        .replace(LIGHT, light)
        .replace("color-scheme: light dark", &format!("color-scheme: {own}"));
    images.fold(told, |html, image| html.replace(&image.reference(), &image.data()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_has_its_images_in_it_and_the_colours_that_it_is_asked_for() {
        let image = Image::new("logo.png".to_owned(), b"not really");
        let html = "<style>:root { color-scheme: light dark; } @media (prefers-color-scheme: dark) { a {} }</style>\
            <img src=\"cid:logo.png@templates\">";
        let light = of(html, [&image].into_iter(), Preview::Light);
        assert!(light.contains("color-scheme: light;") && light.contains("@media (max-width: 0) { a {} }"), "{light}");
        let dark = of(html, [&image].into_iter(), Preview::Dark);
        assert!(dark.contains("color-scheme: dark;") && dark.contains("@media (min-width: 0) { a {} }"), "{dark}");
        assert!(dark.contains("<img src=\"data:image/png;base64,bm90IHJlYWxseQ==\">"), "{dark}");
    }
}
