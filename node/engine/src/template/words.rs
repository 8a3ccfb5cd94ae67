//! The few words that mean something to templates: units, dates, ends of host
//! names, keys and words that tell lines apart. Owns the lists; they are common
//! English and common formats, of no one system. Called by the mask and tokens.

/// Whether a word after a number belongs to the number: "5 ms" and "2 KB" are
/// the same shape, because what prints them picks the unit by size.
#[inline]
pub(crate) fn is_unit(word: &[u8]) -> bool {
    matches!(
        word,
        b"s" | b"ms"
            | b"us"
            | b"ns"
            | b"m"
            | b"h"
            | b"d"
            | b"B"
            | b"K"
            | b"M"
            | b"G"
            | b"T"
            | b"b"
            | b"kB"
            | b"KB"
            | b"MB"
            | b"GB"
            | b"TB"
            | b"kb"
            | b"mb"
            | b"gb"
            | b"KiB"
            | b"MiB"
            | b"GiB"
            | b"TiB"
            | b"byte"
            | b"bytes"
            | b"Byte"
            | b"Bytes"
            | b"sec"
            | b"secs"
            | b"second"
            | b"seconds"
            | b"min"
            | b"mins"
            | b"minute"
            | b"minutes"
            | b"hour"
            | b"hours"
            | b"hrs"
            | b"day"
            | b"days"
            | b"msec"
            | b"msecs"
            | b"usec"
            | b"millis"
            | b"Hz"
            | b"kHz"
            | b"MHz"
            | b"GHz"
            | b"bps"
            | b"kbps"
            | b"Mbps"
            | b"Gbps"
            | b"percent"
            | b"AM"
            | b"PM"
            | b"UTC"
            | b"GMT"
            | b"pages"
    )
}

/// Whether a word names a day of the week or a month, as dates do.
#[inline]
pub(crate) fn is_date(word: &[u8]) -> bool {
    matches!(
        word,
        b"Mon"
            | b"Tue"
            | b"Wed"
            | b"Thu"
            | b"Fri"
            | b"Sat"
            | b"Sun"
            | b"Jan"
            | b"Feb"
            | b"Mar"
            | b"Apr"
            | b"May"
            | b"Jun"
            | b"Jul"
            | b"Aug"
            | b"Sep"
            | b"Oct"
            | b"Nov"
            | b"Dec"
            | b"Monday"
            | b"Tuesday"
            | b"Wednesday"
            | b"Thursday"
            | b"Friday"
            | b"Saturday"
            | b"Sunday"
            | b"January"
            | b"February"
            | b"March"
            | b"April"
            | b"June"
            | b"July"
            | b"August"
            | b"September"
            | b"October"
            | b"November"
            | b"December"
    )
}

/// Whether a dotted name of small letters ends like a host's, not like a file's
/// or a module's. Two letters count (a country) after at least two dots.
pub(crate) fn is_host_end(label: &[u8], dots: usize) -> bool {
    match label {
        b"com" | b"net" | b"org" | b"edu" | b"gov" | b"mil" | b"int" | b"info" | b"biz"
        | b"cloud" | b"local" | b"internal" | b"lan" | b"localdomain" | b"arpa" | b"intranet"
        | b"home" | b"corp" => true,
        [_, _] => dots >= 2,
        _ => false,
    }
}

/// Whether a quoted value of this key is a text or a choice, and no free value.
pub(crate) fn is_telling_key(key: &[u8]) -> bool {
    const KEYS: [&[u8]; 26] = [
        b"action",
        b"body",
        b"caller",
        b"category",
        b"code",
        b"component",
        b"err",
        b"error",
        b"event",
        b"kind",
        b"level",
        b"log",
        b"logger",
        b"message",
        b"method",
        b"module",
        b"msg",
        b"op",
        b"operation",
        b"outcome",
        b"reason",
        b"result",
        b"severity",
        b"state",
        b"status",
        b"type",
    ];
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// Whether a quoted phrase begins as the first line of an HTTP request.
pub(crate) fn is_request(phrase: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"DELETE ",
        b"PATCH ",
        b"OPTIONS ",
        b"CONNECT ",
        b"TRACE ",
    ];
    METHODS.iter().any(|method| phrase.starts_with(method))
}

/// Whether a word is what programs print for a value that is none or a choice
/// of two.
pub(crate) fn is_constant(word: &[u8]) -> bool {
    const CONSTANTS: [&[u8]; 6] = [b"true", b"false", b"null", b"nil", b"undefined", b"nan"];
    CONSTANTS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Words that say how something ended or which way it went, by first letter.
const OUTCOMES: [&str; 26] = [
    "abort aborted accepted acquired active add added adding allocated allowed available",
    "begin",
    "close closed closing complete completed connect connected connecting corrected create created creating critical",
    "delete deleted deleting denied disable disabled disconnect disconnected disconnecting down",
    "enable enabled end ended error errors exit exited exiting",
    "fail failed failing failure failures fatal finished forbidden found",
    "granted",
    "healthy",
    "in inactive invalid",
    "",
    "",
    "loaded lock locked login logout lost",
    "missing mounted",
    "",
    "off ok okay on open opened opening out",
    "passed paused pending",
    "",
    "reachable read reading receive received receiving refused registered rejected released remove removed removing resumed running",
    "send sending sent shutdown start started starting startup stop stopped stopping succeeded success successful successfully",
    "timeout",
    "unavailable uncorrectable unhealthy unloaded unlock unlocked unmounted unreachable unregistered up update updated updating",
    "valid",
    "warning write writing",
    "",
    "",
    "",
];

/// Whether a word says how something ended or which way it went: two lines that
/// differ in such words are two templates however alike they are.
pub(crate) fn is_outcome(word: &[u8]) -> bool {
    let Some(letter) = word.first().filter(|byte| byte.is_ascii_alphabetic()) else {
        return false;
    };
    let alike = OUTCOMES[usize::from(letter.to_ascii_lowercase() - b'a')];
    alike.split(' ').any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}
