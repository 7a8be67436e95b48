//! The schemas that the API's document has for types that JSON holds as a text, or as a list with
//! rules of its own.
//!
//! Each type says by [`described!`] next to itself what it takes; all others derive it. Nothing of
//! this runs in a function: only the test that makes the document asks for schemas, and the linker
//! drops them from the binaries.

use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};

/// Makes `$schema`, an expression of a [`Schema`], the schema of `$type`, under the name of the
/// type.
macro_rules! described {
    ($type:ident, $schema:expr) => {
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::RefOr::T($schema.into())
            }
        }

        impl utoipa::ToSchema for $type {}
    };
}
pub(crate) use described;

/// A text. More rules can be set on what comes back.
pub(crate) fn text(description: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .examples([example])
}

/// One of a few words.
pub(crate) fn word(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words.iter().copied()))
        .build()
}

/// Makes `$name` the schema of a request body that is read as a `$base`, but has `required` fields,
/// or isn't given others of its fields.
#[macro_export]
macro_rules! body_schema {
    ($(#[doc = $doc:literal])* $name:ident: $base:ident, requires $required:expr,
        without $without:expr, like $($example:tt)+) => {
        $(#[doc = $doc])*
        pub(crate) enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let description = concat!($($doc),*).trim();
                $crate::schema::restricted::<$base>(description, &$required, &$without,
                    serde_json::json!($($example)+))
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(
                all: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
            ) {
                <$base as utoipa::ToSchema>::schemas(all);
            }
        }
    };
}

/// See [`body_schema!`].
#[doc(hidden)]
pub fn restricted<T: utoipa::PartialSchema>(
    description: &str,
    required: &[&str],
    without: &[&str],
    example: serde_json::Value,
) -> RefOr<Schema> {
    let mut schema = T::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description = Some(description.to_owned());
        object.required.extend(required.iter().map(|&field| field.to_owned()));
        object.properties.retain(|field, _| !without.contains(&field.as_str()));
        object.example = Some(example);
    }
    schema
}
