//! Choices that the API and the tables know by name, and the code by a reference into a list of
//! what there is.

/// Makes `$choice`, a wrapper of a reference to something with a `name`, what its name says: equal
/// by it, shown, read and written as it. `$all` lists what there is, `$unknown` is the error for
/// any other text, and `$what` is what the API's document says of it.
macro_rules! by_name {
    ($choice:ident, $all:ident, $unknown:ident, $what:literal) => {
        crate::schema::described!($choice, crate::schema::word($what, &$all.map(|one| one.name)));

        impl PartialEq for $choice {
            fn eq(&self, other: &Self) -> bool {
                self.0.name == other.0.name
            }
        }

        impl Eq for $choice {}

        impl std::fmt::Debug for $choice {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.0.name)
            }
        }

        impl std::str::FromStr for $choice {
            type Err = $unknown;

            fn from_str(text: &str) -> Result<Self, $unknown> {
                $all.into_iter().find(|one| one.name == text).map(Self).ok_or($unknown)
            }
        }

        impl serde::Serialize for $choice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.name)
            }
        }

        impl<'de> serde::Deserialize<'de> for $choice {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use by_name;
