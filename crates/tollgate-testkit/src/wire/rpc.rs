use crate::json::Json;

/// A request's text.
pub fn request(id: u64, method: &str, params: Json) -> Json {
    Json::object().with("jsonrpc", "2.0").with("id", id).with("method", method).with("params", params)
}

/// A notification.
pub fn notification(method: &str, params: Json) -> Json {
    Json::object().with("jsonrpc", "2.0").with("method", method).with("params", params)
}

/// A response with a result.
pub fn result(id: Json, result: Json) -> Json {
    Json::object().with("jsonrpc", "2.0").with("id", id).with("result", result)
}

/// A response with an error object.
pub fn error(id: Option<Json>, error: Json) -> Json {
    let envelope = Json::object().with("jsonrpc", "2.0");
    match id {
        Some(id) => envelope.with("id", id),
        None => envelope,
    }
    .with("error", error)
}

/// An error object.
pub fn error_object(code: i64, message: &str) -> Json {
    Json::object().with("code", Json::Number(code.to_string())).with("message", message)
}
