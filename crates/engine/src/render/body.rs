//! A rendered body as quirks look at it: is a member there, and what does it say.

use std::cell::OnceCell;

use ringmain_wire::json::{Document, Object, RawValue};

/// A document, of which the members are read when the first value is asked for: whether one is there is known already.
pub(super) struct Body<'a> {
    document: &'a Document,
    root: OnceCell<Option<Object<'a>>>,
}

impl<'a> Body<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self { document, root: OnceCell::new() }
    }

    /// Is there a member at this pointer?
    pub(super) fn has(&self, pointer: &str) -> bool {
        self.document.has(pointer)
    }

    pub(super) fn root(&self) -> Option<&Object<'a>> {
        self.root.get_or_init(|| Object::parse(self.document.body()).ok()).as_ref()
    }

    /// The value of a member of the root.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.root()?.get(name)
    }

    /// The JSON text of what is at a pointer, through objects.
    pub(super) fn text(&self, pointer: &str) -> Option<&'a str> {
        let mut steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut value = self.get(&steps.next()?)?;
        for step in steps {
            value = Object::from_raw(value).ok()?.get(&step)?;
        }
        Some(value.get())
    }
}
