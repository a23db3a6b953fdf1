package telemetry

import "runtime/debug"

// BuildID identifies the code of this binary: the commit it was built from, with
// "-modified" if files differed from it, or "unknown".
func BuildID() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	id := "unknown"
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			id = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			id += "-modified"
		}
	}
	return id
}
