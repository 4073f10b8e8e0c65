//! What the demo's messages say. Numbers begin with +999, which is assigned to nobody, so that no person's number can
//! ever be in a demo's traffic, wherever it is pointed.

use grpc_api::v1;

use super::plan::{Class, Job, Target};

/// Numbers that the contracted carrier serves.
pub(super) const CONTRACTED_PREFIX: &str = "9991";
/// Numbers that the unlimited carrier serves.
pub(super) const UNLIMITED_PREFIX: &str = "9992";

const SENDER: &str = "Hikyaku";

/// Message `number`: the same for the same seed.
pub(super) fn submission(number: u64, job: Job, seed: u64) -> v1::Submission {
    let (category, text) = match job.class {
        Class::Otp => {
            let code = scrambled(seed ^ number) % 1_000_000;
            (
                v1::Category::Otp,
                format!("{code:06} is your code. Do not tell it to anybody."),
            )
        }
        Class::Bulk => (
            v1::Category::Promotional,
            format!(
                "Spring is here, and so is our sale: 20% off everything until Sunday. Your voucher is S{number:08}."
            ),
        ),
    };
    let prefix = match job.target {
        Target::Contracted => CONTRACTED_PREFIX,
        Target::Unlimited => UNLIMITED_PREFIX,
    };
    v1::Submission {
        recipient: Some(v1::Recipient {
            key: String::new(),
            msisdn: format!("+{prefix}{number:09}"),
        }),
        content: Some(v1::Content {
            sms: Some(v1::SmsContent {
                text,
                sender: SENDER.to_owned(),
            }),
        }),
        category: category.into(),
        receipt_wanted: v1::ReceiptWanted::Always.into(),
        ..v1::Submission::default()
    }
}

/// `SplitMix64`: good enough for codes that open nothing.
const fn scrambled(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTP: Job = Job {
        target: Target::Contracted,
        class: Class::Otp,
    };

    #[test]
    fn a_seed_gives_the_same_messages_and_another_seed_others() {
        assert_eq!(submission(7, OTP, 1), submission(7, OTP, 1));
        assert_ne!(submission(7, OTP, 1), submission(7, OTP, 2));
    }

    #[test]
    fn numbers_are_as_long_as_a_number_may_be_and_in_nobodys_range() {
        let bulk = Job {
            target: Target::Unlimited,
            class: Class::Bulk,
        };
        let most = submission(999_999_999, bulk, 0);
        let msisdn = most.recipient.unwrap().msisdn;
        assert!(msisdn.starts_with("+999") && msisdn.len() <= 16, "{msisdn}");
        let text = most.content.unwrap().sms.unwrap().text;
        assert!(text.len() <= 160 && text.is_ascii(), "{text}");
    }
}
