//! `interface_version`: the SMPP version a side speaks (SMPP 3.4, 5.2.4).

/// Version octet of a bind or of sc_interface_version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceVersion(pub u8);

impl InterfaceVersion {
    /// 0x33: SMPP 3.3; lower values count as 3.3 too.
    pub const V3_3: Self = Self(0x33);
    /// 0x34: SMPP 3.4, what every carrier accepts.
    pub const V3_4: Self = Self(0x34);
    /// 0x50: SMPP 5.0.
    pub const V5_0: Self = Self(0x50);
}

impl Default for InterfaceVersion {
    fn default() -> Self {
        Self::V3_4
    }
}
