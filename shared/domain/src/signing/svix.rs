//! The `svix` style: as `standard`, by Svix's own header names, for receivers that use its older
//! libraries.

use super::{Style, standard};

/// The style; see the module.
pub(super) const STYLE: Style = Style {
    name: "svix",
    decodes_secret: true,
    headers: |request| standard::headers(request, ["svix-id", "svix-timestamp", "svix-signature"]),
};
