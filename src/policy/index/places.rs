//! Rules by the places that paths lead to.
//!
//! It asks about links as the full evaluation does, all folders at once. Invariant: a rule whose anchor is not known
//! is always found, as no path can be told to be outside of it.

use std::cell::OnceCell;

use super::Map;
use super::parts::Parts;
use crate::policy::matcher::Scene;
use crate::policy::paths::{self, Ground, guess};
use crate::policy::{Anchor, ResolvePath};

const ANCHORS: [Anchor; 3] = [Anchor::Absolute, Anchor::Root, Anchor::Home];

/// Rules with `path_under` or `path_glob` on one field.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: Vec<u32>,
    parts: Parts,
    /// By [`ANCHORS`].
    anchored: [Anchored; 3],
}

/// Those with one anchor.
#[derive(Debug, Default)]
struct Anchored {
    all: Vec<u32>,
    /// Folders below the anchor, each from `/` on; empty for the anchor itself.
    folders: Vec<String>,
    /// The rules of each folder.
    owners: Vec<Vec<u32>>,
    /// Where each folder stands in the lists.
    numbers: Map<String, usize>,
}

/// One look at a call, which asks about folders once.
pub(super) struct Look<'a> {
    pub(super) scene: &'a Scene<'a>,
    /// By [`ANCHORS`]: folders that lead elsewhere, by their number, and where to.
    moved: [OnceCell<Vec<(usize, Ground)>>; 3],
}

impl<'a> Look<'a> {
    pub(super) fn new(scene: &'a Scene<'a>) -> Self {
        Self { scene, moved: Default::default() }
    }
}

/// [`Places`] while rules join it.
#[derive(Debug, Default)]
pub(super) struct PlacesDraft {
    places: Places,
    parts: Map<Vec<u8>, Vec<u32>>,
}

impl PlacesDraft {
    pub(super) fn add_folders(&mut self, folders: Vec<(Anchor, String)>, rule: u32) {
        self.places.all.push(rule);
        for (anchor, folder) in folders {
            let anchored = self.places.at(anchor);
            anchored.all.push(rule);
            let number = *anchored.numbers.entry(folder.clone()).or_insert_with(|| {
                anchored.folders.push(folder);
                anchored.owners.push(Vec::new());
                anchored.owners.len() - 1
            });
            if let Some(owners) = anchored.owners.get_mut(number) {
                owners.push(rule);
            }
        }
    }

    pub(super) fn add_parts(&mut self, parts: Vec<(Anchor, Vec<u8>)>, rule: u32) {
        self.places.all.push(rule);
        for (anchor, part) in parts {
            self.places.at(anchor).all.push(rule);
            self.parts.entry(part).or_default().push(rule);
        }
    }

    pub(super) fn finish(self) -> Places {
        Places { parts: Parts::new(self.parts), ..self.places }
    }
}

impl Places {
    fn at(&mut self, anchor: Anchor) -> &mut Anchored {
        let [absolute, root, home] = &mut self.anchored;
        match anchor {
            Anchor::Absolute => absolute,
            Anchor::Root => root,
            Anchor::Home => home,
        }
    }

    pub(super) fn all(&self, found: &mut Vec<u32>) {
        found.extend(&self.all);
    }

    /// A text that is meant as a path.
    pub(super) fn find(&self, text: &str, look: &Look<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        match paths::Places::of(text, look.scene.world.links) {
            Some(places) => self.leads_to(places.candidates(), look, found),
            None => self.all(found),
        }
    }

    /// A text that may be one.
    pub(super) fn find_or_guess(&self, text: &str, look: &Look<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        match paths::Places::of(text, look.scene.world.links) {
            Some(places) => self.leads_to(places.candidates(), look, found),
            None => self.guess(text, look, found),
        }
    }

    /// A text that is no plain path.
    pub(super) fn guess(&self, text: &str, look: &Look<'_>, found: &mut Vec<u32>) {
        if self.all.is_empty() {
            return;
        }
        match guess(text, look.scene.world.facts) {
            Some(place) => self.find(&place, look, found),
            None if text.starts_with('/') => self.all(found),
            // Rules whose anchor is not known hold nothing against what leads nowhere.
            None => {}
        }
    }

    fn leads_to(&self, places: &[String], look: &Look<'_>, found: &mut Vec<u32>) {
        for place in places {
            self.parts.find(place, found);
        }
        for ((anchor, anchored), moved) in ANCHORS.into_iter().zip(&self.anchored).zip(&look.moved) {
            if anchored.all.is_empty() {
                continue;
            }
            match paths::ground(anchor, &[], look.scene.world.facts) {
                Some(ground) => {
                    let moved = moved.get_or_init(|| anchored.moved(&ground, look.scene.world.links));
                    anchored.find(&ground, places, moved, found);
                }
                None => found.extend(&anchored.all),
            }
        }
    }
}

impl Anchored {
    fn moved(&self, ground: &Ground, links: &dyn ResolvePath) -> Vec<(usize, Ground)> {
        let moved = links.moved(ground.as_str(), &self.folders).into_iter();
        moved.map(|(at, real)| (at, Ground::real(&real))).collect()
    }

    fn find(&self, ground: &Ground, places: &[String], moved: &[(usize, Ground)], found: &mut Vec<u32>) {
        for below in places.iter().filter_map(|place| ground.below(place)) {
            self.above(below, found);
        }
        for (at, real) in moved {
            if places.iter().any(|place| real.below(place).is_some()) {
                found.extend(self.owners.get(*at).into_iter().flatten());
            }
        }
    }

    /// The owners of every folder above a path that is given below the anchor, and of the path itself.
    fn above(&self, below: &str, found: &mut Vec<u32>) {
        let mut path = String::with_capacity(below.len() + 1);
        self.owners_of(&path, found);
        for component in below.split('/').filter(|component| !component.is_empty()) {
            path.push('/');
            path.push_str(component);
            self.owners_of(&path, found);
        }
    }

    fn owners_of(&self, folder: &str, found: &mut Vec<u32>) {
        let number = self.numbers.get(folder);
        found.extend(number.and_then(|number| self.owners.get(*number)).into_iter().flatten());
    }
}
