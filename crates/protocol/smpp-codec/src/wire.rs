//! Reading and writing the primitive fields of a body: octets and C-octet strings.
//!
//! A C-octet string is searched for its NUL only as far as the field may reach, so that reading a body costs at most
//! its length, whatever the bytes.

use bytes::{BufMut, BytesMut};

use crate::{COctetString, DecodeError, EncodeError, Field};

/// Characters of a time field when it is present.
const TIME_LEN: usize = 16;

/// What a C-octet string may look like when the body ends before its NUL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nul {
    /// The NUL must be there.
    Required,
    /// The end of the body ends the string too: used in responses, which nobody can be asked to send again.
    Optional,
}

/// Reads a body from front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub(crate) fn octet(&mut self, field: Field) -> Result<u8, DecodeError> {
        let (&octet, rest) = self
            .rest
            .split_first()
            .ok_or(DecodeError::Truncated { field, missing: 1 })?;
        self.rest = rest;
        Ok(octet)
    }

    pub(crate) fn octets(&mut self, field: Field, len: usize) -> Result<&'a [u8], DecodeError> {
        let missing = len.saturating_sub(self.rest.len());
        let (octets, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated { field, missing })?;
        self.rest = rest;
        Ok(octets)
    }

    /// Reads a C-octet string of at most `max` octets, its NUL not counted.
    pub(crate) fn c_octets(
        &mut self,
        field: Field,
        max: usize,
        nul: Nul,
    ) -> Result<COctetString<'a>, DecodeError> {
        let reach = self.rest.len().min(max + 1);
        if let Some(end) = self.rest[..reach].iter().position(|octet| *octet == 0) {
            let value = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            return Ok(COctetString::new(value));
        }
        if reach > max {
            return Err(DecodeError::FieldTooLong { field, max });
        }
        match nul {
            Nul::Required => Err(DecodeError::MissingNul { field }),
            Nul::Optional => Ok(COctetString::new(std::mem::take(&mut self.rest))),
        }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Writes a C-octet string and its NUL; `max` octets are allowed, the NUL not counted.
pub(crate) fn put_c_octets(
    out: &mut BytesMut,
    field: Field,
    value: COctetString<'_>,
    max: usize,
) -> Result<(), EncodeError> {
    let octets = value.as_bytes();
    if octets.len() > max {
        return Err(EncodeError::FieldTooLong {
            field,
            len: octets.len(),
            max,
        });
    }
    if let Some(position) = octets.iter().position(|octet| *octet == 0) {
        return Err(EncodeError::ContainsNul { field, position });
    }
    out.put_slice(octets);
    out.put_u8(0);
    Ok(())
}

/// Writes a time field: absent (a lone NUL) or exactly 16 characters and a NUL.
pub(crate) fn put_time(
    out: &mut BytesMut,
    field: Field,
    value: COctetString<'_>,
) -> Result<(), EncodeError> {
    let len = value.as_bytes().len();
    if len != 0 && len != TIME_LEN {
        return Err(EncodeError::TimeLength { field, len });
    }
    put_c_octets(out, field, value, TIME_LEN)
}
