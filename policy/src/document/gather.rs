//! Lists and maps of a document, bounded, in the order in which they are written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{MAX_ENTRIES, Text};

/// The entries of a map in the order of the document, at most [`MAX_ENTRIES`].
#[derive(Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Text, T)>);

/// The items of a list, at most [`MAX_ENTRIES`].
#[derive(Debug, Serialize)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct Gather<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Gather::<Self>(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Gather::<Self>(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Gather<Entries<T>> {
    type Value = Entries<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            bound::<A::Error>(entries.len())?;
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Gather<Items<T>> {
    type Value = Items<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            bound::<A::Error>(items.len())?;
            items.push(item);
        }
        Ok(Items(items))
    }
}

impl<T: Serialize> Serialize for Entries<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, entry)| (&name.value, entry)))
    }
}

fn bound<E: serde::de::Error>(held: usize) -> Result<(), E> {
    if held < MAX_ENTRIES {
        return Ok(());
    }
    Err(E::custom(format_args!("more than {MAX_ENTRIES} entries")))
}
