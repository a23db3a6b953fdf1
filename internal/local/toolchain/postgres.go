package toolchain

// PostgresBin returns the folder of Postgres's programs: own when it is set,
// which needs no set-up, and otherwise that of the set-up in cache.
func PostgresBin(cache, own string) (string, error) {
	if own != "" {
		return own, nil
	}
	paths, err := Installed(cache)
	return paths.PostgresBin, err
}
