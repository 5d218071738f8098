//! The body of an LSA by its type.

use super::as_external_lsa::AsExternalLsa;
use super::error::DecodeError;
use super::grace_lsa::GraceLsa;
use super::inter_area_prefix_lsa::InterAreaPrefixLsa;
use super::inter_area_router_lsa::InterAreaRouterLsa;
use super::intra_area_prefix_lsa::IntraAreaPrefixLsa;
use super::link_lsa::LinkLsa;
use super::lsa::LsType;
use super::network_lsa::NetworkLsa;
use super::repair_lsa::RepairLsa;
use super::router_lsa::RouterLsa;
use crate::base::cursor::Writer;

/// What an LSA says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LsaBody {
    /// §A.4.3.
    Router(RouterLsa),
    /// §A.4.4.
    Network(NetworkLsa),
    /// §A.4.5.
    InterAreaPrefix(InterAreaPrefixLsa),
    /// §A.4.6.
    InterAreaRouter(InterAreaRouterLsa),
    /// §A.4.7, and §A.4.8, which has the same form.
    AsExternal(AsExternalLsa),
    /// §A.4.9.
    Link(LinkLsa),
    /// §A.4.10.
    IntraAreaPrefix(IntraAreaPrefixLsa),
    /// RFC 5187 §2.1.
    Grace(GraceLsa),
    /// Kumiki's own.
    Repair(RepairLsa),
    /// A type that is not in RFC 5340: kept as it came.
    Unknown(Vec<u8>),
}

impl LsaBody {
    /// Reads the octets after the header of an LSA of type `ls_type`.
    pub fn decode(ls_type: LsType, bytes: &[u8]) -> Result<Self, DecodeError> {
        match ls_type {
            LsType::ROUTER => RouterLsa::decode(bytes).map(Self::Router),
            LsType::NETWORK => NetworkLsa::decode(bytes).map(Self::Network),
            LsType::INTER_AREA_PREFIX => {
                InterAreaPrefixLsa::decode(bytes).map(Self::InterAreaPrefix)
            }
            LsType::INTER_AREA_ROUTER => {
                InterAreaRouterLsa::decode(bytes).map(Self::InterAreaRouter)
            }
            LsType::AS_EXTERNAL | LsType::NSSA => {
                AsExternalLsa::decode(bytes).map(Self::AsExternal)
            }
            LsType::LINK => LinkLsa::decode(bytes).map(Self::Link),
            LsType::INTRA_AREA_PREFIX => {
                IntraAreaPrefixLsa::decode(bytes).map(Self::IntraAreaPrefix)
            }
            LsType::GRACE => GraceLsa::decode(bytes).map(Self::Grace),
            LsType::REPAIR => {
                let body = RepairLsa::decode(bytes)?;
                Ok(body.map_or_else(|| Self::Unknown(bytes.to_vec()), Self::Repair))
            }
            _ => Ok(Self::Unknown(bytes.to_vec())),
        }
    }

    /// Writes it.
    pub fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Router(body) => body.encode(writer),
            Self::Network(body) => body.encode(writer),
            Self::InterAreaPrefix(body) => body.encode(writer),
            Self::InterAreaRouter(body) => body.encode(writer),
            Self::AsExternal(body) => body.encode(writer),
            Self::Link(body) => body.encode(writer),
            Self::IntraAreaPrefix(body) => body.encode(writer),
            Self::Grace(body) => body.encode(writer),
            Self::Repair(body) => body.encode(writer),
            Self::Unknown(bytes) => writer.put(bytes),
        }
    }
}
