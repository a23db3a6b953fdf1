package toolchain

// PostgresBin returns the directory of Postgres's programs: own if it is set, which
// needs no setup, and otherwise the one installed in cache.
func PostgresBin(cache, own string) (string, error) {
	if own != "" {
		return own, nil
	}
	paths, err := Installed(cache)
	return paths.PostgresBin, err
}
