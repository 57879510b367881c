//! Rendered answers by shape. When it is full it starts anew: a bench has few shapes, and a test has few requests.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Shape, Template, render};

/// Shapes kept.
const MAX_SHAPES: usize = 512;
/// Longest user text, or rendering, that is worth keeping, in bytes.
const MAX_SIZE: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Templates {
    known: RwLock<HashMap<Shape, Arc<Template>>>,
}

impl Templates {
    pub(crate) fn get(&self, shape: Shape) -> Arc<Template> {
        if let Some(template) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&shape) {
            return Arc::clone(template);
        }
        let template = Arc::new(render(&shape));
        if template.size() <= MAX_SIZE && shape.ask.text.len() <= MAX_SIZE {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MAX_SHAPES {
                known.clear();
            }
            known.insert(shape, Arc::clone(&template));
        }
        template
    }
}
