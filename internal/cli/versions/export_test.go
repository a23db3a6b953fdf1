package versions

// VersionReport is what show prints with -o json.
type VersionReport = versionReport
