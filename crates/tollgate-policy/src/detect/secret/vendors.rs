/// What a key is made of, behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `A-Z0-9`.
    Upper,
    /// `A-Za-z0-9`.
    Alnum,
    /// `A-Za-z0-9_-`.
    Url,
    /// `A-Za-z0-9_`.
    Word,
    /// `0-9a-f`.
    Hex,
    /// `A-Za-z0-9_.-`.
    Dotted,
    /// `A-Za-z0-9/+=_-`.
    Any,
}

impl Alphabet {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Any => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b'+' | b'='),
        }
    }
}

/// One format of a vendor's documents.
#[derive(Debug)]
pub(super) struct Vendor {
    pub(super) prefix: &'static str,
    pub(super) alphabet: Alphabet,
    /// The least that follows.
    pub(super) least: usize,
    /// The most that follows, where `exact`.
    pub(super) most: usize,
    pub(super) exact: bool,
}

const fn fixed(prefix: &'static str, alphabet: Alphabet, length: usize) -> Vendor {
    Vendor { prefix, alphabet, least: length, most: length, exact: true }
}

const fn open(prefix: &'static str, alphabet: Alphabet, least: usize) -> Vendor {
    Vendor { prefix, alphabet, least, most: 512, exact: false }
}

use Alphabet::{Alnum, Any, Dotted, Hex, Upper, Url, Word};

/// Prefixes as the vendors document them.
pub(super) const VENDORS: &[Vendor] = &[
    // AWS
    fixed("AKIA", Upper, 16),
    fixed("ASIA", Upper, 16),
    fixed("ABIA", Upper, 16),
    fixed("ACCA", Upper, 16),
    open("ABSKQmVkcm9jaw", Any, 40),
    // GitHub
    open("ghp_", Alnum, 36),
    open("gho_", Alnum, 36),
    open("ghu_", Alnum, 36),
    open("ghs_", Alnum, 36),
    open("ghr_", Alnum, 36),
    open("github_pat_", Word, 40),
    // GitLab
    open("glpat-", Dotted, 20),
    open("gldt-", Url, 20),
    open("glrt-", Dotted, 20),
    open("glcbt-", Url, 20),
    open("glptt-", Url, 20),
    open("glft-", Url, 20),
    open("glimt-", Url, 20),
    open("glsoat-", Url, 20),
    open("glagent-", Url, 40),
    open("GR1348941", Url, 20),
    // Slack
    open("xoxb-", Url, 20),
    open("xoxp-", Url, 20),
    open("xoxa-", Url, 20),
    open("xoxr-", Url, 20),
    open("xoxs-", Url, 20),
    open("xoxe-", Url, 20),
    open("xoxe.", Dotted, 20),
    open("xapp-", Url, 20),
    open("hooks.slack.com/services/", Any, 30),
    open("hooks.slack.com/workflows/", Any, 30),
    // Stripe
    open("sk_live_", Alnum, 16),
    open("sk_test_", Alnum, 16),
    open("rk_live_", Alnum, 16),
    open("rk_test_", Alnum, 16),
    open("whsec_", Any, 24),
    // Models
    open("sk-proj-", Url, 20),
    open("sk-svcacct-", Url, 20),
    open("sk-admin-", Url, 20),
    open("sk-ant-", Url, 20),
    open("sk-or-v1-", Hex, 40),
    open("sk-", Alnum, 32),
    open("gsk_", Alnum, 40),
    open("xai-", Alnum, 60),
    open("pplx-", Alnum, 40),
    open("r8_", Alnum, 36),
    open("hf_", Alnum, 30),
    open("nvapi-", Url, 40),
    // Google
    open("AIza", Url, 35),
    open("ya29.", Url, 20),
    open("GOCSPX-", Url, 28),
    open("1//0", Url, 40),
    // Registries
    fixed("npm_", Alnum, 36),
    open("pypi-", Url, 50),
    open("rubygems_", Hex, 48),
    open("dckr_pat_", Url, 24),
    open("dckr_oat_", Url, 24),
    open("cio", Alnum, 32),
    // Clouds and hosts
    open("dop_v1_", Hex, 64),
    open("doo_v1_", Hex, 64),
    open("dor_v1_", Hex, 64),
    open("hvs.", Url, 24),
    open("hvb.", Url, 24),
    open("tskey-", Url, 20),
    open("glsa_", Word, 32),
    open("glc_", Any, 32),
    open("FlyV1 fm2_", Any, 40),
    open("pscale_tkn_", Url, 32),
    open("pscale_pw_", Url, 32),
    open("sbp_", Hex, 40),
    open("sb_secret_", Url, 20),
    open("dapi", Hex, 32),
    open("AGE-SECRET-KEY-1", Upper, 58),
    // Shops, mail and work
    open("shpat_", Hex, 32),
    open("shpca_", Hex, 32),
    open("shppa_", Hex, 32),
    open("shpss_", Hex, 32),
    open("sq0atp-", Url, 22),
    open("sq0csp-", Url, 43),
    open("SG.", Dotted, 60),
    fixed("key-", Hex, 32),
    fixed("SK", Hex, 32),
    open("ATATT3", Any, 60),
    open("ATCTT3", Any, 60),
    open("lin_api_", Alnum, 32),
    open("ntn_", Alnum, 40),
    open("figd_", Url, 36),
    open("PMAK-", Url, 50),
    open("NRAK-", Upper, 27),
    open("phc_", Alnum, 40),
    open("phx_", Alnum, 40),
    open("sntrys_", Any, 40),
    open("sntryu_", Hex, 60),
    open("dp.pt.", Alnum, 40),
    open("pul-", Hex, 40),
    open("CFPAT-", Url, 43),
    open("EAAC", Alnum, 80),
    open("EAAA", Url, 60),
    // Tollgate
    open("tgk_", Url, 24),
];
