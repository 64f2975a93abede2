//! What detectors are measured on: texts made from vendors' documented formats, and texts that only look like them.

/// A small generator: the same corpus on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % sides
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    pub(crate) fn of(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| letters[self.roll(letters.len())]).collect()
    }

    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.of("0123456789", length)
    }
}

pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
pub(crate) const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
pub(crate) const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
pub(crate) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
pub(crate) const HEX: &str = "0123456789abcdef";

/// One secret of each vendor: `(vendor, secret)`.
pub(crate) fn secrets(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let d = dice;
    let jwt_head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    let pem = format!(
        "-----BEGIN {}PRIVATE KEY-----\n{}\n{}\n{}==\n-----END {0}PRIVATE KEY-----",
        ["", "RSA ", "EC ", "OPENSSH "][d.roll(4)],
        d.of(BASE64, 64),
        d.of(BASE64, 64),
        d.of(BASE64, 40)
    );
    vec![
        ("aws", format!("{}{}", d.pick(&["AKIA", "ASIA"]), d.of(UPPER, 16))),
        ("github", format!("{}{}", d.pick(&["ghp_", "gho_", "ghs_", "ghu_", "ghr_"]), d.of(ALNUM, 36))),
        ("github", format!("github_pat_{}_{}", d.of(ALNUM, 22), d.of(ALNUM, 59))),
        ("gitlab", format!("glpat-{}", d.of(URL, 20))),
        (
            "slack",
            format!("{}-{}-{}-{}", d.pick(&["xoxb", "xoxp"]), d.digits(12), d.digits(12), d.of(ALNUM, 24)),
        ),
        (
            "slack",
            format!(
                "https://hooks.slack.com/services/T{}/B{}/{}",
                d.of(UPPER, 8),
                d.of(UPPER, 10),
                d.of(ALNUM, 24)
            ),
        ),
        ("stripe", format!("{}{}", d.pick(&["sk_live_", "rk_live_", "sk_test_"]), d.of(ALNUM, 24))),
        ("stripe", format!("whsec_{}", d.of(ALNUM, 32))),
        ("openai", format!("sk-proj-{}", d.of(URL, 64))),
        ("openai", format!("sk-{}T3BlbkFJ{}", d.of(ALNUM, 20), d.of(ALNUM, 20))),
        ("anthropic", format!("sk-ant-api03-{}AA", d.of(URL, 93))),
        ("google", format!("AIza{}", d.of(URL, 35))),
        ("google", format!("GOCSPX-{}", d.of(URL, 28))),
        ("google", format!("ya29.a0{}", d.of(URL, 60))),
        ("npm", format!("npm_{}", d.of(ALNUM, 36))),
        ("pypi", format!("pypi-AgEIcHlwaS5vcmc{}", d.of(URL, 80))),
        ("jwt", format!("{jwt_head}.eyJ{}.{}", d.of(URL, 60), d.of(URL, 43))),
        ("pem", pem),
        ("digitalocean", format!("dop_v1_{}", d.of(HEX, 64))),
        ("huggingface", format!("hf_{}", d.of(ALNUM, 34))),
        ("sendgrid", format!("SG.{}.{}", d.of(URL, 22), d.of(URL, 43))),
        ("shopify", format!("shpat_{}", d.of(HEX, 32))),
        ("docker", format!("dckr_pat_{}", d.of(URL, 27))),
        ("vault", format!("hvs.{}", d.of(URL, 90))),
        ("telegram", format!("{}:AA{}", d.digits(9).replace('0', "7"), d.of(URL, 33))),
    ]
}

/// Random values that only their name gives away: `(text, secret)`.
pub(crate) fn assigned(dice: &mut Dice) -> Vec<(String, String)> {
    let mut made = Vec::new();
    let value = |d: &mut Dice| match d.roll(3) {
        0 => d.of(ALNUM, 32),
        1 => d.of(HEX, 40),
        _ => format!("{}{}{}", d.of(BASE64, 30), d.digits(2), d.of(ALNUM, 8)),
    };
    for form in [
        "password = \"{}\"",
        "\"password\": \"{}\"",
        "API_KEY={}",
        "api_key: '{}'",
        "export SECRET_KEY=\"{}\"",
        "aws_secret_access_key = {}",
        "client_secret: {}",
        "\"accessToken\":\"{}\"",
        "auth_token = '{}'",
        "DB_PASSWORD={}",
        "const apiKey = \"{}\";",
        "secret: \"{}\"",
        "token => '{}'",
        "private_key = \"{}\"",
        "Authorization: Bearer {}",
        "{\\\"api_key\\\": \\\"{}\\\"}",
        "config['password'] = '{}'",
    ] {
        let secret = value(dice);
        made.push((form.replace("{}", &secret), secret));
    }
    let secret = dice.of(ALNUM, 16);
    made.push((format!("postgres://app:{secret}@db.internal:5432/app"), secret));
    made
}

/// Texts without secrets, most of them close to one.
pub(crate) fn harmless(dice: &mut Dice) -> Vec<String> {
    let d = dice;
    let uuid = |d: &mut Dice| {
        format!("{}-{}-4{}-a{}-{}", d.of(HEX, 8), d.of(HEX, 4), d.of(HEX, 3), d.of(HEX, 3), d.of(HEX, 12))
    };
    let id = uuid(d);
    vec![
        format!("{{\"id\":\"{id}\",\"parent\":\"{}\"}}", uuid(d)),
        format!("commit {}\nAuthor: someone\nDate: 2026-01-02", d.of(HEX, 40)),
        format!("sha256:{}  dist/app-1.2.3.tar.gz", d.of(HEX, 64)),
        format!("\"integrity\": \"sha512-{}==\"", d.of(BASE64, 86)),
        format!("data:image/png;base64,iVBORw0KGgo{}", d.of(BASE64, 1_200)),
        format!("<img src=\"data:image/jpeg;base64,/9j/{}\">", d.of(BASE64, 800)),
        "token = get_token(user_id)\npassword = os.environ[\"DB_PASSWORD\"]\n".to_owned(),
        "def login(password: str, token: Optional[str] = None) -> bool:\n    return check(password)"
            .to_owned(),
        "api_key = settings.API_KEY_2\nsecret = config.get('secret_name')".to_owned(),
        "if (token === null) { throw new Error('token missing: please log in again') }".to_owned(),
        "password: ${DB_PASSWORD}\ntoken: {{ vault.token }}\napi_key: <your-api-key-1>".to_owned(),
        "const password = document.getElementById('password').value;".to_owned(),
        format!("max_tokens: {}, tokenizer: cl100k_base, token_count={}", d.digits(4), d.digits(5)),
        "The secret of good code is that secrets stay out of it; passwords are hashed.".to_owned(),
        "import { createToken, hashPassword } from './auth/tokens-v2';".to_owned(),
        format!("ETag: \"{}\"\nX-Request-Id: {id}", d.of(HEX, 32)),
        format!("https://example.com/watch?v={}&t=42s", d.of(URL, 11)),
        format!("arn:aws:iam::{}:role/deploy-role", d.digits(12)),
        format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA{} someone", d.of(BASE64, 43)),
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----",
            d.of(BASE64, 64),
            d.of(BASE64, 64)
        ),
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", d.of(BASE64, 64)),
        format!(
            "pod/web-{}-{} 1/1 Running",
            d.of("bcdfghjklmnpqrstvwxz2456789", 10),
            d.of("bcdfghjklmnpqrstvwxz2456789", 5)
        ),
        "pip install scikit-learn sk-video-tools sk-learn-extensions-for-everyone".to_owned(),
        "class TokenManager { private readonly secretProvider: SecretProvider; }".to_owned(),
        "public_key = \"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7Vq\"".to_owned(),
        format!("image: registry.example.com/team/app@sha256:{}", d.of(HEX, 64)),
        format!("trace_id={} span_id={}", d.of(HEX, 32), d.of(HEX, 16)),
        format!("pk_live_{} is the publishable key", d.of(ALNUM, 24)),
        "password_hash: bcrypt, password_min_length: 12, token_type: bearer".to_owned(),
        format!("{}: {}.{}.{}", d.pick(&["version", "build"]), d.digits(2), d.digits(2), d.digits(4)),
        "fn token(&self) -> &str { &self.token }\nlet secret = Secret::new(key);\nsecret_key: [u8; 32],"
            .to_owned(),
        "<input type=\"password\" name=\"password\" autocomplete=\"current-password\" id=\"pw1\">".to_owned(),
        format!("{{\"cursor\":\"{}\",\"has_more\":true}}", d.of(BASE64, 44)),
        "secretKeyRef: { name: db-credentials-v1, key: password }".to_owned(),
        "AKIAIOSFODNN7 is too short, ghp_short too, and xoxb-1 as well".to_owned(),
        format!("checksum {} ok; md5 {}", d.of(HEX, 64), d.of(HEX, 32)),
        "Passwort ändern: wählen Sie ein neues Passwort mit mindestens 12 Zeichen".to_owned(),
        "Use `Authorization: Bearer <token>`; the token expires after 3600 seconds".to_owned(),
        "credentials: 'include', token_endpoint: https://login.example/oauth2/v2.0/token".to_owned(),
        format!("curl -H \"X-Trace: {}\" https://api.example/v1/items?page=2", d.of(HEX, 32)),
    ]
}

fn luhn(mut number: String) -> String {
    let sum: u32 = number
        .chars()
        .rev()
        .enumerate()
        .map(|(place, c)| {
            let digit = c.to_digit(10).unwrap();
            if place % 2 == 0 { if digit * 2 > 9 { digit * 2 - 9 } else { digit * 2 } } else { digit }
        })
        .sum();
    number.push(char::from_digit((10 - sum % 10) % 10, 10).unwrap());
    number
}

fn spaced(number: &str, groups: &[usize], by: &str) -> String {
    let (mut rest, mut parts) = (number, Vec::new());
    for group in groups {
        let (part, left) = rest.split_at((*group).min(rest.len()));
        parts.push(part);
        rest = left;
    }
    parts.retain(|part| !part.is_empty());
    parts.join(by)
}

fn iban(d: &mut Dice) -> String {
    let (country, bban) = match d.roll(4) {
        0 => ("DE", d.digits(18)),
        1 => ("GB", format!("{}{}", d.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4), d.digits(14))),
        2 => ("FR", d.digits(23)),
        _ => ("NL", format!("{}{}", d.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4), d.digits(10))),
    };
    let rest = format!("{bban}{country}00").chars().fold(0_u32, |rest, c| {
        let value = c.to_digit(36).unwrap();
        (if value > 9 { rest * 100 + value } else { rest * 10 + value }) % 97
    });
    let whole = format!("{country}{:02}{bban}", 98 - rest);
    if d.roll(2) == 0 { whole } else { spaced(&whole, &[4; 9], " ") }
}

/// One of each structured kind: `(kind, value)`.
pub(crate) fn personal(d: &mut Dice) -> Vec<(&'static str, String)> {
    let visa = luhn(format!("4{}", d.digits(14)));
    let master = luhn(format!("5{}{}", 1 + d.roll(5), d.digits(13)));
    let amex = luhn(format!("37{}", d.digits(12)));
    let discover = luhn(format!("6011{}", d.digits(11)));
    let area = 100 + d.roll(500);
    let name = d.of("abcdefghijklmnopqrstuvwxyz", 6);
    let dashed = spaced(&master, &[4; 4], "-");
    vec![
        ("card", visa.clone()),
        ("card", spaced(&luhn(format!("4{}", d.digits(14))), &[4; 4], " ")),
        ("card", dashed),
        ("card", spaced(&amex, &[4, 6, 5], " ")),
        ("card", discover),
        ("ssn", format!("{area}-{:02}-{:04}", 1 + d.roll(98), 1 + d.roll(9_998))),
        ("iban", iban(d)),
        ("iban", iban(d)),
        ("email", format!("{name}@example.com")),
        ("email", format!("{name}.{}+tag@mail.corp.co.uk", d.of("abcdefgh", 5))),
        ("email", format!("{}_{}@sub-domain.example.org", name.to_uppercase(), d.digits(2))),
        (
            "phone",
            format!("+1 {}{}-{}{}-{}", 2 + d.roll(8), d.digits(2), 2 + d.roll(8), d.digits(2), d.digits(4)),
        ),
        (
            "phone",
            format!("({}{}) {}{}-{}", 2 + d.roll(8), d.digits(2), 2 + d.roll(8), d.digits(2), d.digits(4)),
        ),
        (
            "phone",
            format!("{}{}-{}{}-{}", 2 + d.roll(8), d.digits(2), 2 + d.roll(8), d.digits(2), d.digits(4)),
        ),
        ("phone", format!("+44 20 {} {}", d.digits(4), d.digits(4))),
        ("phone", format!("+49{}", d.digits(10))),
        ("ip", format!("{}.{}.{}.{}", 11 + d.roll(100), d.roll(256), d.roll(256), d.roll(256))),
        ("ip", format!("2001:db8:{}:{}::{}", d.of(HEX, 4), d.of(HEX, 4), 1 + d.roll(9))),
    ]
}

/// Texts without personal data, most of them close to it.
pub(crate) fn impersonal(d: &mut Dice) -> Vec<String> {
    let mut texts = vec![
        format!("order {} shipped, tracking 1Z{}", d.digits(10), d.of("0123456789ABCDEF", 16)),
        format!("2026-0{}-1{} 12:34:56.{} level=info", 1 + d.roll(9), d.roll(10), d.digits(3)),
        format!("timestamp 17{} duration {} ms", d.digits(11), d.digits(4)),
        format!("version {}.{}.{}.{}", d.roll(20), d.roll(20), d.roll(20), d.roll(20)),
        format!("package@1.{}.0 and lodash@4.17.{}", d.roll(30), d.roll(30)),
        "git clone git@github.com:owner/repository.git && cd repository".to_owned(),
        "icon@2x.png and logo@3x.webp, @types/node, @media screen, user@, @app.route('/')".to_owned(),
        format!("pi is 3.{} and the price is 1,{},{}.00", d.digits(15), d.digits(3), d.digits(3)),
        format!("rgba(12, 34, 56, 0.{}) #{} translate(10px, 20px)", d.digits(2), d.of(HEX, 6)),
        format!("{}-{}-{}", d.of(HEX, 8), d.of(HEX, 4), d.of(HEX, 4)),
        "std::collections::HashMap and a::b::c, 12:34:56, aa:bb:cc:dd:ee:ff".to_owned(),
        "127.0.0.1:8750 and 0.0.0.0 and ::1 and [::]:80".to_owned(),
        format!("isbn 978-3-16-14841{}-0, part number 12-345-6789-{}", d.roll(10), d.roll(10)),
        format!("lat 52.{} lon 13.{}", d.digits(6), d.digits(6)),
        format!("block 0x{} nonce {}", d.of(HEX, 16), d.digits(12)),
        "room 101-22, pages 100-2000, section 1.2.3, 50/50, 24/7, 9-5".to_owned(),
        format!("epoch 1{} id 7{}", d.digits(9), d.digits(17)),
        format!("{{\"total\":{},\"rate\":0.{},\"n\":-{}}}", d.digits(8), d.digits(12), d.digits(6)),
        "x = a @ b.transpose(); y = m@n.T; decorator @click.option".to_owned(),
        "The meeting is at 10:30 on 12/05/2026; bring 2 copies of form 1099-K.".to_owned(),
        format!("sku 00{} qty 12 ean 400{}", d.digits(6), d.digits(10)),
        format!("{}", d.digits(20)),
        "oid 1.3.6.1.4.1.311.2.1.21, rfc 9535, iso 13616, utf-8, sha-256".to_owned(),
        format!("Account DE{} is no iban, GB{} neither", d.digits(4), d.digits(6)),
    ];
    texts.extend(harmless(d));
    texts
}

/// A text of code around a value.
pub(crate) fn around(d: &mut Dice, value: &str) -> String {
    match d.roll(8) {
        0 => value.to_owned(),
        1 => format!("The value is {value}, as you asked."),
        2 => format!("{{\"note\":\"{value}\",\"n\":1}}"),
        3 => format!("- contact: {value}\n- next line"),
        4 => format!("<td>{value}</td>"),
        5 => format!("x={value}; y=2"),
        6 => format!("first line\n{value}\nlast line."),
        _ => format!("\"{value}\""),
    }
}
