//! `List` on the wire: the question with its filters, and the pages of its answer.

use engine::{HistoryPage, HistoryQuery, MessageSummary, PAGE_MAX};
use message::{CarrierId, MessageId, MessageState, Msisdn, Slug, TenantId, stable_hash};
use prost_types::Timestamp;
use tonic::Status;

use crate::history::{category, time};
use crate::progress::state_number;
use crate::{answer, parse, v1};

/// Messages on a page unless asked otherwise.
const PAGE_DEFAULT: usize = 50;

/// A list request as the engine is asked, and the mark of its filters, which its pages carry.
///
/// # Errors
/// INVALID_ARGUMENT naming the field.
pub(crate) fn query(
    request: &v1::ListRequest,
    tenant: TenantId,
) -> Result<(HistoryQuery, u64), Status> {
    let recipient: Option<Msisdn> = optional(&request.recipient)
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| answer::invalid("recipient", format!("is malformed: {error}")))?;
    let carrier: Option<Slug> = optional(&request.carrier)
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| answer::invalid("carrier", format!("is malformed: {error}")))?;
    let since_ms = millis("since", request.since.as_ref())?.unwrap_or(0);
    let until_ms = millis("until", request.until.as_ref())?.unwrap_or(u64::MAX);
    if since_ms >= until_ms {
        return Err(answer::invalid(
            "until",
            format!(
                "is {until_ms} ms after 1970 began, and since {since_ms}: nothing could be listed; give an until that is later, or none"
            ),
        ));
    }
    let states = states(&request.states)?;
    let limit = match request.page_size as usize {
        0 => PAGE_DEFAULT,
        size if size <= PAGE_MAX => size,
        size => {
            return Err(answer::invalid(
                "page_size",
                format!("is {size}: 1 to {PAGE_MAX}, or left out for {PAGE_DEFAULT}"),
            ));
        }
    };
    let filters = mark(request, tenant, (since_ms, until_ms));
    let query = HistoryQuery {
        tenant,
        recipient,
        states,
        carrier: carrier.as_ref().map(CarrierId::of),
        since_ms,
        until_ms,
        below: parse_page(&request.page, filters)?,
        limit,
    };
    Ok((query, filters))
}

/// A page on the wire.
pub(crate) fn page(page: &HistoryPage, filters: u64) -> v1::ListResponse {
    let summary = |message: &MessageSummary| v1::MessageSummary {
        message_id: answer::id_text(message.id),
        state: state_number(message.state),
        reason: i32::from(message.reason.number()),
        category: category(message.category).into(),
        carrier: message
            .carrier
            .and_then(|id| page.carriers.get(&id).cloned())
            .unwrap_or_default(),
        admitted_at: time(message.admitted_ms),
        changed_at: time(message.changed_ms),
        uncertain: message.uncertain,
        records: message.records,
    };
    v1::ListResponse {
        messages: page.messages.iter().map(summary).collect(),
        next_page: page
            .below
            .map(|below| page_text(below, filters))
            .unwrap_or_default(),
        indexed_until: time(page.indexed.until_ms),
    }
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn states(numbers: &[i32]) -> Result<Vec<MessageState>, Status> {
    let state = |(at, number): (usize, &i32)| {
        u8::try_from(*number)
            .ok()
            .and_then(MessageState::from_number)
            .ok_or_else(|| no_state(at, *number))
    };
    numbers.iter().enumerate().map(state).collect()
}

fn no_state(at: usize, number: i32) -> Status {
    let known = MessageState::ALL.map(|state| format!("{state} ({})", state.number()));
    answer::invalid(
        &format!("states[{at}]"),
        format!(
            "is {number}, which is no state: one of {}",
            known.join(", ")
        ),
    )
}

fn millis(field: &'static str, time: Option<&Timestamp>) -> Result<Option<u64>, Status> {
    time.map(parse::time_ms)
        .transpose()
        .map_err(|description| answer::invalid(field, description))
}

/// A page of other filters would skip or repeat messages without anybody noticing, so that pages carry the mark of theirs.
fn mark(request: &v1::ListRequest, tenant: TenantId, (since_ms, until_ms): (u64, u64)) -> u64 {
    let states: Vec<u8> = request
        .states
        .iter()
        .flat_map(|state| state.to_be_bytes())
        .collect();
    stable_hash(&[
        &tenant.0.to_be_bytes(),
        request.recipient.trim_start_matches('+').as_bytes(),
        request.carrier.as_bytes(),
        &states,
        &since_ms.to_be_bytes(),
        &until_ms.to_be_bytes(),
    ])
}

fn page_text(below: MessageId, filters: u64) -> String {
    let id = u128::from_be_bytes(below.to_bytes());
    format!("{id:032x}{filters:016x}")
}

fn parse_page(text: &str, filters: u64) -> Result<Option<MessageId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let sound = text.len() == 48 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let parts = sound.then(|| text.split_at(32)).and_then(|(id, mark)| {
        let id = u128::from_str_radix(id, 16).ok()?;
        let mark = u64::from_str_radix(mark, 16).ok()?;
        Some((MessageId::from_bytes(&id.to_be_bytes()).ok()?, mark))
    });
    match parts {
        Some((below, mark)) if mark == filters => Ok(Some(below)),
        Some(_) => Err(answer::invalid(
            "page",
            "is of a list with other filters: ask for each page with the filters of the first",
        )),
        None => Err(answer::invalid(
            "page",
            "is not a page: hand back `next_page` of an earlier response as it was, or leave it out",
        )),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::progress::timestamp;

    fn request() -> v1::ListRequest {
        v1::ListRequest {
            recipient: "+819012345678".into(),
            states: vec![10, 16],
            carrier: "north".into(),
            since: Some(timestamp(1_000)),
            page_size: 7,
            ..v1::ListRequest::default()
        }
    }

    #[test]
    fn a_request_becomes_a_query_and_a_page_leads_on_with_the_same_filters_only() {
        let tenant = TenantId(7);
        let (asked, filters) = query(&request(), tenant).unwrap();
        assert_eq!(asked.recipient, "819012345678".parse().ok());
        assert_eq!(
            asked.states,
            [MessageState::Delivered, MessageState::Failed]
        );
        assert_eq!((asked.since_ms, asked.until_ms), (1_000, u64::MAX));
        assert_eq!((asked.limit, asked.below), (7, None));

        let below = message::IdSource::new(3).peek(1_700_000_000_000, 9);
        let next = v1::ListRequest {
            page: page_text(below, filters),
            ..request()
        };
        assert_eq!(query(&next, tenant).unwrap().0.below, Some(below));
        let other = v1::ListRequest {
            carrier: "south".into(),
            ..next.clone()
        };
        for (asked, tenant) in [(&other, tenant), (&next, TenantId(8))] {
            let refused = query(asked, tenant).unwrap_err();
            assert!(refused.message().contains("other filters"), "{refused}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_field() {
        let wrong = [
            v1::ListRequest {
                recipient: "me".into(),
                ..request()
            },
            v1::ListRequest {
                carrier: "No Name".into(),
                ..request()
            },
            v1::ListRequest {
                states: vec![9],
                ..request()
            },
            v1::ListRequest {
                page_size: 501,
                ..request()
            },
            v1::ListRequest {
                until: Some(timestamp(1_000)),
                ..request()
            },
            v1::ListRequest {
                page: "last".into(),
                ..request()
            },
            v1::ListRequest {
                since: Some(Timestamp {
                    seconds: 1,
                    nanos: 1_000_000_000,
                }),
                ..request()
            },
            v1::ListRequest {
                until: Some(Timestamp {
                    seconds: -1,
                    nanos: 0,
                }),
                ..request()
            },
        ];
        let begun = [
            "recipient",
            "carrier",
            "states[0] is 9, which is no state: one of admitted (1), scheduled (2),",
            "page_size",
            "until",
            "page",
            "since 1 s and 1000000000 ns is out of range: the years 1970 to 9999",
            "until -1 s and 0 ns is out of range: the years 1970 to 9999",
        ];
        for (request, begins) in wrong.iter().zip(begun) {
            let refused = query(request, TenantId(1)).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().starts_with(begins), "{refused}");
        }
    }
}
