//! What goes wrong with a site behind its back.

use super::*;

impl MemorySite {
    pub(in crate::fullsync::tests) fn lose(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        self.state().view.remove(&Self::object_scope(), entity);
    }

    /// Its branches still say that it is there.
    pub(in crate::fullsync::tests) fn hide(&self, name: &str) {
        self.state().hidden = Some(put_of(name, "").entity().hash());
    }

    /// Two bodies of the next object to be written whose leaves are alike in a sketch.
    pub(in crate::fullsync::tests) fn alike(&self, name: &str) -> [String; 2] {
        let seq = self.state().log.len() as u64 + 1;
        let mut seen = HashMap::new();
        let found = (0_u64..).find_map(|number| {
            let event = self.event(seq, put_of(name, &number.to_string()));
            let Sketch::Leaves(stubs) = Sketch::of(&Node::Leaves(vec![leaf_of(&event)])) else {
                return None;
            };
            Some([number, seen.insert(stubs[0], number)?])
        });
        found.unwrap().map(|number| number.to_string())
    }

    /// An object that says it is the origin's and never was.
    pub(in crate::fullsync::tests) fn forge(&self, name: &str, seq: u64) {
        let position = origin().at(Seq(seq));
        let version = Version { hlc: Hlc(7), site: position.site };
        self.force(position, version, put_of(name, "forged"));
    }

    /// Other content under the same version.
    pub(in crate::fullsync::tests) fn spoil(&self, name: &str) {
        self.spoil_with(name, "spoilt");
    }

    pub(in crate::fullsync::tests) fn spoil_with(&self, name: &str, body: &str) {
        let change = put_of(name, body);
        let held = self.state().view.leaf(&Self::object_scope(), change.entity().hash());
        let held = held.unwrap().unwrap();
        self.force(held.position, held.version, change);
    }

    pub(super) fn force(&self, position: Position, version: Version, change: Change) {
        let (prev, request) = (Digest::ZERO, RequestId::NONE);
        let event = Event { position, version, prev, volume: 0, request, change };
        self.state().view.put(Self::object_scope(), leaf_of(&event), vec![event]);
    }

    /// The tombstone is trimmed: everything up to it is.
    pub(in crate::fullsync::tests) fn trim_tombstone(&self, name: &str) {
        let entity = put_of(name, "").entity().hash();
        let mut state = self.state();
        let leaf = state.view.leaf(&Self::object_scope(), entity).unwrap().unwrap();
        assert!(leaf.deleted);
        state.view.remove(&Self::object_scope(), entity);
        state.trimmed = leaf.position.seq.0;
    }
}
