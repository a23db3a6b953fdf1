package tabular

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseMicros(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2017-12-01":                              "2017-12-01T00:00:00Z",
		"2017/12/01":                              "2017-12-01T00:00:00Z",
		"20171201":                                "2017-12-01T00:00:00Z",
		"20171201102030":                          "2017-12-01T10:20:30Z",
		"2017-12-01T10:20":                        "2017-12-01T10:20:00Z",
		"2017-12-01 10:20:30":                     "2017-12-01T10:20:30Z",
		"2017-12-01 10:20:30 UTC":                 "2017-12-01T10:20:30Z",
		"2017-12-01T10:20:30Z":                    "2017-12-01T10:20:30Z",
		"2017-12-01T10:20:30.5+02:00":             "2017-12-01T08:20:30.5Z",
		"2017-12-01T10:20:30,25-0330":             "2017-12-01T13:50:30.25Z",
		"2017-12-01 10:20:30.123456789+01":        "2017-12-01T09:20:30.123456Z",
		" 2016-02-29 23:59:60 ":                   "2016-03-01T00:00:00Z",
		"964982703":                               "2000-07-30T18:45:03Z",
		"964982703.25":                            "2000-07-30T18:45:03.25Z",
		"964982703123":                            "2000-07-30T18:45:03.123Z",
		"964982703123456":                         "2000-07-30T18:45:03.123456Z",
		"964982703123456789":                      "2000-07-30T18:45:03.123456Z",
		"964982703.0":                             "2000-07-30T18:45:03Z",
		"964982703123.5":                          "2000-07-30T18:45:03.1235Z",
		"20260113.0":                              "2026-01-13T00:00:00Z",
		"202601131015":                            "2026-01-13T10:15:00Z",
		"202601131015.00":                         "2026-01-13T10:15:00Z",
		"20260113101500.25":                       "2026-01-13T10:15:00.25Z",
		"20260113101500123":                       "2026-01-13T10:15:00.123Z",
		"20260113T101500Z":                        "2026-01-13T10:15:00Z",
		"20260113T1015+0100":                      "2026-01-13T09:15:00Z",
		"20260113T101500,5":                       "2026-01-13T10:15:00.5Z",
		"20260113 101500":                         "2026-01-13T10:15:00Z",
		"2026-1-3 7:05":                           "2026-01-03T07:05:00Z",
		"2026.01.13 10:15":                        "2026-01-13T10:15:00Z",
		"2026-01-13 10:15:00 PM":                  "2026-01-13T22:15:00Z",
		"2026-01-13 12:15 am":                     "2026-01-13T00:15:00Z",
		"2026-01-13 10:15:00 +0000 UTC":           "2026-01-13T10:15:00Z",
		"2026-01-13T10:15:00+01:00[Europe/Paris]": "2026-01-13T09:15:00Z",
		"Tue, 13 Jan 2026 10:15:00 GMT":           "2026-01-13T10:15:00Z",
		"Tue, 13 Jan 2026 10:15:00 -0500":         "2026-01-13T15:15:00Z",
		"Tuesday, 13-Jan-2026 10:15:00 UTC":       "2026-01-13T10:15:00Z",
		"Tue Jan 13 10:15:00 2026":                "2026-01-13T10:15:00Z",
		"Tue Jan 13 2026 10:15:00 GMT+0100 (Central European Standard Time)": "2026-01-13T09:15:00Z",
		"Jan 2, 2006":             "2006-01-02T00:00:00Z",
		"January 2, 2006 3:04 PM": "2006-01-02T15:04:00Z",
		"2nd of sept. 2006":       "2006-09-02T00:00:00Z",
		"2 May 2006":              "2006-05-02T00:00:00Z",
		"0":                       "1970-01-01T00:00:00Z",
		"99991332":                "1973-03-03T07:22:12Z", // eight digits, but not a date
	} {
		at, err := ParseTime(in)
		require.NoError(t, err, in)
		require.Equal(t, want, at.Format(time.RFC3339Nano), in)
	}
	for _, in := range []string{
		"", " ", "soon", "2017-13-01", "2017-02-29", "2017-12-01T", "2017-12-01T25:00", "2017-12-01T10:61", "2017-12-01T10:20:30.",
		"2017-12-01T10:20:30+25:00", "2017-12-01T10:20:30 CET", "2017-12/01", "202601131015.5", "20260113.5", "Jan 2006", "32 Jan 2006", "Jan 2, 06", "2 Jan Feb 2006", "Tue Jan 13 10:15:00 EST 2026", "2026-01-13 13:15 PM", "20260113T1099", "01/12/2017", "NaN", "Inf", "1e30", "2017-12-01x",
	} {
		_, err := ParseTime(in)
		require.Error(t, err, in)
	}
}

func TestParseMicros_asks_instead_of_guessing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"01/02/2026":     `"01/02/2026" could be in the form dd/mm/yyyy or mm/dd/yyyy; choose with --time-format dd/mm/yyyy`,
		"1/2/2026 10:15": `could be in the form dd/mm/yyyy or mm/dd/yyyy; choose`,
		"13/02/2026":     `could be in the form dd/mm/yyyy; choose`,
		"02/13/2026":     `could be in the form mm/dd/yyyy; choose`,
		"13.02.2026":     `could be in the form dd.mm.yyyy; choose`,
		"01-02-26":       `could be in the form dd-mm-yy or mm-dd-yy or yy-mm-dd; choose`,
		"1.76719E+09":    `"1.76719E+09" is a number in exponent form, which a spreadsheet has rounded; export the column with all digits`,
		"1.7672256e9":    `in exponent form`,
		"2026-02-30":     `"2026-02-30" is not a time; use ISO 8601 or seconds since 1970, or name its form with --time-format`,
		"33/44/2026":     `is not a time`,
	} {
		_, err := ParseMicros(in)
		require.ErrorContains(t, err, want, in)
	}
}

func TestTimeFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ format, in, want string }{
		{"dd/mm/yyyy", "01/02/2026", "2026-02-01T00:00:00Z"},
		{"mm/dd/yyyy", "01/02/2026", "2026-01-02T00:00:00Z"},
		{"dd/mm/yyyy", "1/2/2026 10:15:30.5 PM", "2026-02-01T22:15:30.5Z"},
		{"DD/MM/yyyy", "1/2/2026, 10:15 +01:00", "2026-02-01T09:15:00Z"},
		{"mm/dd/yy", "1/2/26", "2026-01-02T00:00:00Z"},
		{"mm/dd/yy", "1/2/71", "1971-01-02T00:00:00Z"},
		{"dd.mm.yyyy HH:mm:ss", "13.02.2026 10:15:30,25", "2026-02-13T10:15:30.25Z"},
		{"dd-mmm-yy hh.mm.ss a", "13-JAN-26 12.15.00 AM", "2026-01-13T00:15:00Z"},
		{"yyyy-dd-mm", "2026-13-01", "2026-01-13T00:00:00Z"},
		{"", "2026-01-13", "2026-01-13T00:00:00Z"},
	} {
		f, err := ParseTimeFormat(c.format)
		require.NoError(t, err, c.format)
		at, err := f.Micros(c.in)
		require.NoError(t, err, "%s %s", c.format, c.in)
		require.Equal(t, c.want, time.UnixMicro(at).UTC().Format(time.RFC3339Nano), "%s %s", c.format, c.in)
	}
	for _, c := range [][2]string{
		{"dd/mm/yyyy", "02/13/2026"}, {"dd/mm/yyyy", "01.02.2026"}, {"dd/mm/yyyy", "01/02/26"}, {"dd/mm/yyyy", "2026-02-01"}, {"dd/mm/yyyy", "01/02/2026x"},
		{"dd/mm/yyyy", ""}, {"dd.mm.yyyy HH:mm", "13.02.2026"}, {"dd.mm.yyyy hh:mm a", "13.02.2026 13:00 PM"}, {"dd-mmm-yyyy", "13-x-2026"},
	} {
		f, err := ParseTimeFormat(c[0])
		require.NoError(t, err, c[0])
		_, err = f.Micros(c[1])
		require.ErrorContains(t, err, "is not a time in the form "+c[0], c[1])
	}
	for _, bad := range []string{"dd/mm", "day", "dd/dd/mm/yyyy", "yyyyy-mm-dd", "%d/%m/%Y"} {
		_, err := ParseTimeFormat(bad)
		require.ErrorContains(t, err, "the time format", bad)
	}
}
