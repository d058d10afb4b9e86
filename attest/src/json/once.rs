//! Objects whose keys stand once, at a bounded depth, whatever they are read into.
//!
//! Derived readers let the last of two equal keys win in maps, and look into nothing that they
//! ignore. Around a JSON reader this sees every key of every object on the way into the type, so
//! that a document is read in one pass as strictly as [`super::parse`] reads it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{MAX_DEPTH, RESERVED};

/// How many keys of one object are compared one by one; more are kept in order.
const FEW: usize = 16;

/// A reader, or a part of one, whose objects have each key once.
///
/// A raw value is taken as it stands: whoever reads it goes over its text with this again.
pub(crate) struct Once<'a, 'de, T> {
    inner: T,
    /// Keys of the objects that are being read, of the innermost last.
    keys: &'a mut Vec<Cow<'de, str>>,
    depth: usize,
}

impl<'a, 'de, T> Once<'a, 'de, T> {
    /// Of what stands inside `depth` arrays and objects.
    pub(super) const fn new(inner: T, keys: &'a mut Vec<Cow<'de, str>>, depth: usize) -> Self {
        Self { inner, keys, depth }
    }

    fn deeper<E: Error>(depth: usize) -> Result<usize, E> {
        if depth >= MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(depth + 1)
    }
}

macro_rules! read {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Once::new(visitor, self.keys, self.depth))
        }
    )*};
}

macro_rules! read_named {
    ($($method:ident($($name:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($name: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* Once::new(visitor, self.keys, self.depth))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Once<'_, 'de, D> {
    type Error = D::Error;

    read! {
        deserialize_any deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_option deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier
    }

    read_named! {
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name.starts_with(RESERVED) {
            // A raw value, which the library hands over as an object of its own.
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        self.inner.deserialize_newtype_struct(name, Once::new(visitor, self.keys, self.depth))
    }

    /// JSON reads these with more lenience than a text.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    /// What nobody wants is looked into all the same.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Once<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    visit_leaves! { inner }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Once::new(inner, self.keys, self.depth))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Once::new(inner, self.keys, self.depth))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let depth = Self::deeper(self.depth)?;
        self.inner.visit_seq(Once::new(items, self.keys, depth))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let depth = Self::deeper(self.depth)?;
        let from = self.keys.len();
        let keys = Keys { all: self.keys, from, count: 0, many: BTreeSet::new() };
        self.inner.visit_map(Members { inner: members, keys, depth })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        let depth = Self::deeper(self.depth)?;
        self.inner.visit_enum(Once::new(data, self.keys, depth))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Once<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Once::new(deserializer, self.keys, self.depth))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Once<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Once::new(seed, &mut *self.keys, self.depth))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Once<'a, 'de, A> {
    type Error = A::Error;
    type Variant = Once<'a, 'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Once::new(variant, self.keys, self.depth)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Once<'_, 'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Once::new(seed, self.keys, self.depth))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, Once::new(visitor, self.keys, self.depth))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Once::new(visitor, self.keys, self.depth))
    }
}

/// The members of an object.
struct Members<'a, 'de, A> {
    inner: A,
    keys: Keys<'a, 'de>,
    depth: usize,
}

/// The keys of an object so far.
struct Keys<'a, 'de> {
    /// Of the objects around it, and from `from` on its own.
    all: &'a mut Vec<Cow<'de, str>>,
    from: usize,
    count: usize,
    /// All of its own, once they are more than [`FEW`].
    many: BTreeSet<Cow<'de, str>>,
}

impl<'de> Keys<'_, 'de> {
    /// Takes the next key; whether it is new.
    fn add(&mut self, key: Cow<'de, str>) -> bool {
        // Objects inside the last member left theirs.
        self.all.truncate(self.from + self.count);
        if self.many.is_empty() && self.count < FEW {
            let is_new = self.all.iter().skip(self.from).all(|known| *known != key);
            self.all.push(key);
            self.count += 1;
            return is_new;
        }
        if self.many.is_empty() {
            self.many = self.all.drain(self.from..).collect();
            self.count = 0;
        }
        self.many.insert(key)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let mut text = None;
        let Some(value) = self.inner.next_key_seed(Key { inner: seed, text: &mut text })? else {
            self.keys.all.truncate(self.keys.from);
            return Ok(None);
        };
        let text = text.ok_or_else(|| A::Error::custom("a key that is no text"))?;
        if text.starts_with(RESERVED) {
            return Err(A::Error::custom("a key that has a meaning of its own here"));
        }
        if !self.keys.add(text) {
            return Err(A::Error::custom("a key stands twice"));
        }
        Ok(Some(value))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Once::new(seed, &mut *self.keys.all, self.depth))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A key on its way to whoever wants it: read as a text, which is noted.
struct Key<'k, 'de, T> {
    inner: T,
    text: &'k mut Option<Cow<'de, str>>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Key { inner: deserializer, text: self.text })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Key<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Key { inner: visitor, text: self.text })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Key<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<V::Value, E> {
        *self.text = Some(Cow::Borrowed(key));
        self.inner.visit_borrowed_str(key)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<V::Value, E> {
        *self.text = Some(Cow::Owned(key.to_owned()));
        self.inner.visit_str(key)
    }
}
