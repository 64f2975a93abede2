//! The console's files, within the program.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// One of them. Their addresses carry the version, so that a browser can keep them.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let (kind, body): (&str, &'static [u8]) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", include_bytes!("../../../assets/console/console.css")),
        "console.js" => {
            ("text/javascript; charset=utf-8", include_bytes!("../../../assets/console/console.js"))
        }
        "htmx.min.js" => {
            ("text/javascript; charset=utf-8", include_bytes!("../../../assets/console/htmx.min.js"))
        }
        "icon.svg" => ("image/svg+xml", include_bytes!("../../../assets/console/icon.svg")),
        _ => return (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "private, max-age=3600")], body).into_response()
}
