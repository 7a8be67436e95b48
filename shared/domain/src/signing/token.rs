//! The `token` style: `X-<Brand>-Token: <token>`, and nothing signed. The token is the oldest live
//! secret's text, for the reason that `digest` gives.

use super::{Signing, Style};

/// The style; see the module.
pub(super) const STYLE: Style = Style { name: "token", decodes_secret: false, headers };

fn headers(request: &Signing<'_>) -> Vec<(String, String)> {
    let header =
        |secret: &super::Secret| (format!("X-{}-Token", request.brand), secret.reveal().to_owned());
    request.secrets.last().map(header).into_iter().collect()
}
