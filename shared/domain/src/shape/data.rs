//! The `data` shape: the event's resource alone.

use super::{JSON, Shape, never};

/// The shape; see the module.
pub(super) const SHAPE: Shape = Shape {
    name: "data",
    content_type: JSON,
    misfit: never,
    build: |event, _| Ok(event.data.get().as_bytes().to_vec()),
};
