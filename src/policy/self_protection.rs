//! The built-in rule `callgate-self`: no argument may place a path in our own files or the host's config.
//!
//! It reads arguments only; what it guards is [`super::Policy::protected`]. It does not understand shell:
//! a path in a longer text is found by its spelling. Invariant: the walk is linear in the arguments for a
//! fixed list, and the file system is asked only about strings that are a path.

use super::Protected;
use super::matcher::Scene;
use super::paths::{Places, guess, is_file_uri};
use super::pointer::{Reread, reread};
use crate::wire::{Json, JsonKind};

/// How many strings in strings are opened.
const MAX_NESTED: u8 = 4;

/// Whether some string in the arguments or in what the call carries beside them, names included, leads to or names a protected path.
pub(super) fn reaches_protected(scene: &Scene<'_>) -> bool {
    let mut brought = scene.call.arguments.into_iter().chain(scene.call.carried());
    !scene.policy.protected.is_empty() && brought.any(|json| reaches(scene, json))
}

fn reaches(scene: &Scene<'_>, arguments: Json<'_>) -> bool {
    let text = arguments.text();
    let named = scene.policy.protected.may_be_named(text);
    if !named && !text.contains('/') {
        return false;
    }
    Guard { scene, named }.any(arguments, 0)
}

struct Guard<'a> {
    scene: &'a Scene<'a>,
    /// Whether a protected name may stand in the text: only then is the spelling worth a look.
    named: bool,
}

impl Guard<'_> {
    fn any(&self, value: Json<'_>, nested: u8) -> bool {
        match value.kind() {
            JsonKind::Object => {
                value.members().any(|(name, member)| self.text(&name) || self.any(member, nested))
            }
            JsonKind::Array => value.elements().any(|element| self.any(element, nested)),
            JsonKind::String => value.as_str().is_some_and(|text| self.string(&text, nested)),
            JsonKind::Number | JsonKind::Bool | JsonKind::Null => false,
        }
    }

    fn string(&self, text: &str, nested: u8) -> bool {
        let inside = || match reread(text) {
            Reread::Holds(inner) if nested < MAX_NESTED => self.any(inner, nested + 1),
            Reread::Holds(_) | Reread::Ambiguous | Reread::Text => false,
        };
        self.text(text) || inside()
    }

    fn text(&self, text: &str) -> bool {
        if self.leads(text) {
            return true;
        }
        self.named && self.protected().may_be_named(text) && self.spells(text)
    }

    fn protected(&self) -> &Protected {
        &self.scene.policy.protected
    }

    /// The string as one path. Where nothing protected is named, only a link can lead there.
    fn leads(&self, text: &str) -> bool {
        let begins = text.trim_start().starts_with('/') || is_file_uri(text);
        let may = self.named || begins || text.contains("..");
        may && guess(text, self.scene.world.facts).is_some_and(|path| self.reaches(&path))
    }

    fn reaches(&self, path: &str) -> bool {
        Places::of(path, self.scene.world.links)
            .is_some_and(|places| places.reach(self.protected().grounds()))
    }

    /// A path within a longer text, such as a shell command.
    fn spells(&self, text: &str) -> bool {
        let mut words = text.split(|c: char| c.is_whitespace() || "\"'`=;|&<>(),:".contains(c));
        words.any(|word| {
            word.contains('/') && guess(word, self.scene.world.facts).is_some_and(|path| self.reaches(&path))
        }) || self
            .protected()
            .paths()
            .iter()
            .any(|place| self.spellings(place).iter().any(|spelling| mentions(text, spelling)))
    }

    fn spellings(&self, place: &str) -> Vec<String> {
        let home = self.scene.world.facts.home.as_deref().map(|home| home.trim_end_matches('/'));
        let below = home.filter(|home| !home.is_empty()).and_then(|home| place.strip_prefix(home));
        let short = below.filter(|below| below.starts_with('/')).into_iter();
        let short = short.flat_map(|below| ["~", "$HOME", "${HOME}"].map(|home| format!("{home}{below}")));
        std::iter::once(place.trim_end_matches('/').to_owned()).chain(short).collect()
    }
}

/// Whether the text holds the path as a whole: `…/callgate` is not in `…/callgate-notes`.
fn mentions(text: &str, path: &str) -> bool {
    let goes_on = |next: char| next.is_alphanumeric() || matches!(next, '-' | '_' | '.');
    text.match_indices(path)
        .any(|(at, _)| !text.get(at + path.len()..).is_some_and(|rest| rest.starts_with(goes_on)))
}
