package message

// Limits of google.protobuf.Timestamp (years 1 to 9999) and of
// google.protobuf.Duration (about 10,000 years), in seconds.
const (
	minTimestamp = -62135596800
	maxTimestamp = 253402300799
	maxDuration  = 315576000000
)

// timestamp writes RFC 3339 text in UTC with as many fractional digits as needed. It
// returns false for a time out of range.
func (w *writer) timestamp(seconds int64, nanos int32) (present bool) {
	if seconds < minTimestamp || seconds > maxTimestamp || nanos < 0 || nanos > 999_999_999 {
		return false
	}
	days, second := seconds/86400, seconds%86400
	if second < 0 {
		days, second = days-1, second+86400
	}
	year, month, day := civil(days)
	w.digits('"', year, 4)
	w.digits('-', month, 2)
	w.digits('-', day, 2)
	w.digits('T', second/3600, 2)
	w.digits(':', second/60%60, 2)
	w.digits(':', second%60, 2)
	w.fraction(nanos)
	w.raw(`Z"`)
	return true
}

// Time returns a time, in seconds since 1970, as RFC 3339 text in UTC, or "" if it is
// out of range.
func Time(seconds int64) string {
	var w writer
	if !w.timestamp(seconds, 0) {
		return ""
	}
	return string(w.Text[1 : len(w.Text)-1])
}

// civil returns the date that is the given number of days after 1970-01-01 (Howard
// Hinnant's algorithm,
// http://howardhinnant.github.io/date_algorithms.html).
func civil(days int64) (year, month, day int64) {
	days += 719468 // since 0000-03-01
	era := days / 146097
	dayOfEra := days % 146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month = (5*dayOfYear + 2) / 153 // 0 is March
	day = dayOfYear - (153*month+2)/5 + 1
	year = yearOfEra + era*400
	if month < 10 {
		return year, month + 3, day
	}
	return year + 1, month - 9, day
}

// duration writes a duration as text and as a number of seconds. It returns false for
// a duration out of range.
func (w *writer) duration(seconds int64, nanos int32) (present bool) {
	if seconds < -maxDuration || seconds > maxDuration || nanos < -999_999_999 || nanos > 999_999_999 ||
		seconds < 0 && nanos > 0 || seconds > 0 && nanos < 0 {
		return false
	}
	w.raw(`{"text":"`)
	start := len(w.Text)
	if seconds < 0 || nanos < 0 {
		w.put('-')
		seconds, nanos = -seconds, -nanos
	}
	w.Number(seconds)
	w.fraction(nanos)
	number := string(w.Text[start:])
	w.raw(`s","seconds":`)
	w.raw(number)
	w.put('}')
	return true
}

// digits writes a separator, and n with leading zeros.
//
//go:noinline
func (w *writer) digits(separator byte, n int64, width int) {
	w.put(separator)
	w.raw("0000"[:width])
	for i := len(w.Text) - 1; n > 0; i-- {
		w.Text[i] += byte(n % 10)
		n /= 10
	}
}

// fraction writes the fractional digits of a second: 0, 3, 6 or 9 of them.
func (w *writer) fraction(nanos int32) {
	if nanos == 0 {
		return
	}
	width := 9
	for nanos%1000 == 0 {
		nanos /= 1000
		width -= 3
	}
	w.put('.')
	w.raw("000000000"[:width])
	for i := len(w.Text) - 1; nanos > 0; i-- {
		w.Text[i] += byte(nanos % 10)
		nanos /= 10
	}
}
