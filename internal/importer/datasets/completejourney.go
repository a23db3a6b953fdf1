package datasets

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// CompleteJourney is the name of the data set in `recflow import`.
const CompleteJourney = "completejourney"

// CompleteJourneyTerms is the publisher's terms of use.
const CompleteJourneyTerms = "completejourney: simulated grocery purchases based on real patterns (84.51°), published for education and\n" +
	"exploration only: not for academic research, commercial decisions, or anything that needs authentic behavior.\n" +
	"Here it is used for demonstration only."

// Journey is completejourney in a folder. It counts unusual rows.
type Journey struct {
	folder    string
	unsold    map[string]bool // items that must not be recommended
	none      int             // lines with quantity 0
	bulk      int             // lines with a quantity over 100
	ofUnsold  int             // lines with unsold items
	ofUnknown int             // lines with undescribed items, a part of ofUnsold
}

// NewJourney returns the data set in the folder that FetchCompleteJourney
// returned.
func NewJourney(folder string) *Journey {
	j := &Journey{folder: folder, unsold: map[string]bool{}}
	for _, id := range undescribed {
		j.unsold[id] = true
	}
	return j
}

// Products returns the file of items.
func (j *Journey) Products() File {
	return File{
		Path: filepath.Join(j.folder, "products.parquet"), Format: tabular.Parquet, DataSet: CompleteJourney,
		Rules: mapping.Rules{Items: true, Known: map[mapping.Field]string{
			mapping.Item: "product_id", mapping.Title: "product_type", mapping.Category: "product_category",
			mapping.Department: "department", mapping.Brand: "brand", mapping.Package: "package_size"}},
		Item: j.item, MoreItems: describeMissing(),
	}
}

// Purchases returns the file of events: the purchase lines, with the type
// purchase unless another one is given.
func (j *Journey) Purchases(eventType string) File {
	if eventType == "" {
		eventType = recsys.Purchase
	}
	return File{
		Path: filepath.Join(j.folder, "transactions.parquet"), Format: tabular.Parquet, DataSet: CompleteJourney,
		Rules: mapping.Rules{EventType: eventType, Known: map[mapping.Field]string{
			mapping.User: "household_id", mapping.Item: "product_id", mapping.Value: "quantity", mapping.Time: "transaction_timestamp"}},
		Watch: j.count,
	}
}

// undescribed are the products of purchase lines that are missing in the
// products file. Most are not goods but deposits, vouchers and corrections.
var undescribed = []string{
	"316011", "926775", "1093587", "5126087", "5126088", "5126106", "5126107", "5977100", "5978648",
	"5978649", "5978650", "5978656", "5978657", "5978659", "5993051", "5993054", "5993055",
}

// describeMissing makes items of the products that are missing in the products
// file.
func describeMissing() []recsys.Item {
	items := make([]recsys.Item, len(undescribed))
	for i, id := range undescribed {
		items[i] = recsys.Item{ItemID: id, Title: "Product " + id + " (no description)", Category: "Unknown"}
	}
	return items
}

// item converts a product to a readable item. Fuel, coupons, gift cards and
// products without description are not available: they are bought, but must not
// be recommended.
func (j *Journey) item(r *tabular.Record) (recsys.Item, string) {
	text := func(f mapping.Field) string { return r.Cells[f].Text }
	kind, category, department := readable(text(mapping.Title)), readable(text(mapping.Category)), readable(text(mapping.Department))
	item := recsys.Item{ItemID: r.Cells[mapping.Item].String(), Category: category, Available: true}
	if item.Category == "" {
		item.Category = department
	}
	item.Title = titleOf(kind, item.Category)
	size := packageSize(text(mapping.Package))
	// Produce has the size of the case; a text that begins with a letter is not
	// a size.
	if size != "" && size[0] <= '9' && department != "Produce" {
		item.Title += ", " + size
	}
	if text(mapping.Brand) == "Private" {
		item.Title += " (store brand)"
	}
	for _, tag := range []string{department, brandTag(text(mapping.Brand)), size} {
		if tag != "" && !slices.Contains(item.Tags, tag) {
			item.Tags = append(item.Tags, tag)
		}
	}
	if unsellable(text(mapping.Department), text(mapping.Category), kind) {
		item.Available = false
		j.unsold[item.ItemID] = true
	}
	return item, mapping.CheckItem(item)
}

// titleOf puts the category before a generic kind, such as Lean or Economy.
func titleOf(kind, category string) string {
	if kind == "" {
		return category
	}
	stated := strings.ToLower(category)
	for _, word := range strings.FieldsFunc(strings.ToLower(kind), func(r rune) bool { return !letter(r) }) {
		if len(word) > 3 && strings.Contains(stated, word[:4]) {
			return kind
		}
	}
	if strings.Count(kind, " ") > 1 || category == "" || len(category) > 25 {
		return kind
	}
	return category + ": " + kind
}

func brandTag(brand string) string {
	if brand == "" {
		return ""
	}
	return brand + " brand"
}

func unsellable(department, category, kind string) bool {
	return slices.Contains([]string{"FUEL", "COUPON", "CNTRL/STORE SUP", "PROD-WHS SALES", "CHARITABLE CONT"}, department) ||
		slices.Contains([]string{"COUPON/MISC ITEMS", "COUPONS/STORE & MFG"}, category) ||
		kind == "" && category == ""
}

// count counts one purchase line.
func (j *Journey) count(e *mapping.Event) {
	if e.Value != nil && *e.Value == 0 {
		j.none++
	}
	if e.Value != nil && *e.Value > 100 {
		j.bulk++
	}
	if j.unsold[e.ItemID] {
		j.ofUnsold++
		if slices.Contains(undescribed, e.ItemID) {
			j.ofUnknown++
		}
	}
}

// Notes describes the unusual rows that were read.
func (j *Journey) Notes() []string {
	return []string{
		fmt.Sprintf("%d lines have the quantity 0 (coupons, vouchers, corrections) and are imported as they are", j.none),
		fmt.Sprintf("%d lines have a quantity over 100: fuel is counted in thousandths", j.bulk),
		fmt.Sprintf("%d lines are of %d products that are bought but must not be recommended: fuel, coupons, gift cards,\n"+
			"products without description (%d lines of products that are missing in the catalog); their items are marked unavailable",
			j.ofUnsold, len(j.unsold), j.ofUnknown),
	}
}

// words expands the catalog's abbreviations that are not obvious.
var words = map[string]string{
	"FRZN": "Frozen", "SFT": "Soft", "DRNK": "Drink", "DRNKS": "Drinks", "BTL": "Bottle", "CARB": "Carbonated", "SNGL": "Single", "SRV": "Serve",
	"SS": "Single-Serve", "DNRS": "Dinners", "PREP": "Prepared", "FD": "Food", "FDS": "Foods", "SW": "Sweet", "GDS": "Goods", "GD": "Good",
	"SALD": "Salad", "DRSNG": "Dressing", "SNDWCH": "Sandwich", "SPRD": "Spread", "BKD": "Baked", "PCKGD": "Packaged", "HYGN": "Hygiene",
	"FEM": "Feminine", "CNTRL": "Control", "MISC": "Other", "FLVRD": "Flavored", "EXCP": "", "EXC": "", "INCL": "", "VEG": "Vegetables", "DRY": "Dry", "BN": "Beans",
	"SPLY": "Supplies", "MLT": "Multi", "PK": "Pack", "CHOCOCLATE": "Chocolate", "BEERALEMALT": "Beer, Ale & Malt", "GRND": "Ground", "PTTY": "Patties", "RFRGRATD": "Refrigerated",
	"SAUCESSALSAPICANTEE": "Sauces & Salsa", "SWEETNERS": "Sweeteners", "LNCH": "Lunch", "WTR": "Water", "SNKS": "Snacks", "CKYS": "Cookies", "CRKR": "Crackers", "CNDY": "Candy", "CRMD": "Creamed", "MT": "Meat", "DRUG": "Drugstore", "GM": "General Merchandise",
}

// readable converts the catalog's capitals to a title: "SFT DRNK 2 LITER BTL
// CARB INCL" is "Soft Drink 2 Liter Bottle Carbonated". A truncated text in
// parentheses is omitted.
func readable(s string) string {
	if i := strings.LastIndexByte(s, '('); i >= 0 && !strings.Contains(s[i:], ")") {
		s = s[:i]
	}
	var b strings.Builder
	var last byte // last byte of the output
	for s = mapping.OneLine(s); s != ""; {
		n := strings.IndexFunc(s, func(r rune) bool { return !letter(r) })
		if n < 0 {
			n = len(s)
		}
		if n > 0 {
			word := s[:n]
			spelled, known := words[word]
			switch {
			case known:
				b.WriteString(spelled)
			case last != 0 && strings.IndexByte("'0123456789", last) >= 0, word == "AND", word == "OF", word == "WITH":
				b.WriteString(strings.ToLower(word))
			default:
				b.WriteString(word[:1] + strings.ToLower(word[1:]))
			}
			last, s = s[n-1], s[n:]
			continue
		}
		switch last = s[0]; {
		case s[0] == '.' || s[0] == ':':
			b.WriteByte(' ')
		default:
			b.WriteByte(s[0])
		}
		s = s[1:]
	}
	return strings.Trim(strings.Join(strings.Fields(b.String()), " "), " -/&,*")
}

func letter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// packageSize formats a size as on a package: "16 OZ" is "16 oz".
func packageSize(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return ""
	}
	parts := strings.Fields(mapping.OneLine(s))
	if len(parts) != 2 {
		return strings.ToLower(strings.Join(parts, " "))
	}
	if _, err := strconv.ParseFloat(parts[0], 64); err != nil {
		return strings.ToLower(strings.Join(parts, " "))
	}
	if unit, ok := map[string]string{"GA": "gal", "L": "l", "LT": "l", "DZ": "dozen", "QT": "qt", "PT": "pt"}[parts[1]]; ok {
		return parts[0] + " " + unit
	}
	return parts[0] + " " + strings.ToLower(parts[1])
}
