package importer

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/recflow/recflow/internal/recsys"
)

// CompleteJourney is the name of the data set in `recflow import`.
const CompleteJourney = "completejourney"

// CompleteJourneyTerms is what its publishers say of its use.
const CompleteJourneyTerms = "completejourney: simulated grocery purchases based on real patterns (84.51°), published for education and\n" +
	"exploration only: not for academic research, commercial decisions, or anything that needs authentic behaviour.\n" +
	"Here it is used for demonstration only."

// ImportCompleteJourney imports the data set from the folder that
// FetchCompleteJourney returned: purchase lines become purchases, products
// become items. Every line is imported; what is odd about some is counted in
// the result's notes. Options about columns and formats are not looked at.
func ImportCompleteJourney(ctx context.Context, store Store, folder string, o Options) (Result, error) {
	shop := &groceries{unsold: map[string]bool{}}
	for _, id := range undescribed {
		shop.unsold[id] = true
	}
	lines := purchaseLines(folder, o.EventType)
	lines.watch = shop.count
	jobs := []job{
		{path: filepath.Join(folder, "products.parquet"), format: formatParquet, label: CompleteJourney,
			request: request{items: true}, shape: shop.item, more: shop.undescribed(),
			named: map[field]string{fieldItem: "product_id", fieldTitle: "product_type", fieldCategory: "product_category",
				fieldDepartment: "department", fieldBrand: "brand", fieldPackage: "package_size"}},
		lines,
	}
	r, err := run(ctx, store, jobs, nil, o)
	r.Notes = append(r.Notes, shop.notes()...)
	return r, err
}

// purchaseLines is the file of the data set that holds events.
func purchaseLines(folder, eventType string) job {
	if eventType == "" {
		eventType = recsys.Purchase
	}
	return job{path: filepath.Join(folder, "transactions.parquet"), format: formatParquet, label: CompleteJourney,
		request: request{eventType: eventType},
		named:   map[field]string{fieldUser: "household_id", fieldItem: "product_id", fieldValue: "quantity", fieldTime: "transaction_timestamp"}}
}

// undescribed are the products of purchase lines that the products file lacks.
// Most are what a till prints beside goods: deposits, vouchers, corrections.
var undescribed = []string{
	"316011", "926775", "1093587", "5126087", "5126088", "5126106", "5126107", "5977100", "5978648",
	"5978649", "5978650", "5978656", "5978657", "5978659", "5993051", "5993054", "5993055",
}

// groceries shapes the products and counts what is odd about the purchases.
type groceries struct {
	unsold    map[string]bool // items that nobody would want recommended
	none      int             // lines of quantity 0
	bulk      int             // lines of more than 100
	ofUnsold  int             // lines of unsold items
	ofUnknown int             // of these, lines of undescribed items
}

func (g *groceries) undescribed() []recsys.Item {
	items := make([]recsys.Item, len(undescribed))
	for i, id := range undescribed {
		items[i] = recsys.Item{ItemID: id, Title: "Product " + id + " (no description)", Category: "Unknown"}
	}
	return items
}

// item composes a readable item from a product. Fuel, coupons, gift cards and
// products without any description are not available: they are bought, but are
// no recommendation.
func (g *groceries) item(r *record) (recsys.Item, string) {
	text := func(f field) string { return r.cells[f].text }
	kind, category, department := readable(text(fieldTitle)), readable(text(fieldCategory)), readable(text(fieldDepartment))
	item := recsys.Item{ItemID: idText(r.cells[fieldItem]), Category: category, Available: true}
	if item.Category == "" {
		item.Category = department
	}
	item.Title = titleOf(kind, item.Category)
	size := packageSize(text(fieldPackage))
	// Produce comes in the size of the case; what begins with a letter is no size.
	if size != "" && size[0] <= '9' && department != "Produce" {
		item.Title += ", " + size
	}
	if text(fieldBrand) == "Private" {
		item.Title += " (store brand)"
	}
	for _, tag := range []string{department, brandTag(text(fieldBrand)), size} {
		if tag != "" && !slices.Contains(item.Tags, tag) {
			item.Tags = append(item.Tags, tag)
		}
	}
	if unsellable(text(fieldDepartment), text(fieldCategory), kind) {
		item.Available = false
		g.unsold[item.ItemID] = true
	}
	return item, checkItem(item)
}

// titleOf puts the category before a kind that says little by itself, such as
// Lean or Economy.
func titleOf(kind, category string) string {
	if kind == "" {
		return category
	}
	said := strings.ToLower(category)
	for _, word := range strings.FieldsFunc(strings.ToLower(kind), func(r rune) bool { return !letter(r) }) {
		if len(word) > 3 && strings.Contains(said, word[:4]) {
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

// count looks at one purchase line.
func (g *groceries) count(e *event) {
	if e.Value != nil && *e.Value == 0 {
		g.none++
	}
	if e.Value != nil && *e.Value > 100 {
		g.bulk++
	}
	if g.unsold[e.ItemID] {
		g.ofUnsold++
		if slices.Contains(undescribed, e.ItemID) {
			g.ofUnknown++
		}
	}
}

func (g *groceries) notes() []string {
	return []string{
		fmt.Sprintf("%d lines have the quantity 0 (coupons, vouchers, corrections) and are imported as they are", g.none),
		fmt.Sprintf("%d lines have a quantity over 100: fuel is counted in thousandths", g.bulk),
		fmt.Sprintf("%d lines are of %d products that are bought but not to be recommended: fuel, coupons, gift cards,\n"+
			"products without description (%d lines of products that the catalogue lacks); their items are marked unavailable",
			g.ofUnsold, len(g.unsold), g.ofUnknown),
	}
}

// words spells out the catalogue's abbreviations that are not obvious.
var words = map[string]string{
	"FRZN": "Frozen", "SFT": "Soft", "DRNK": "Drink", "DRNKS": "Drinks", "BTL": "Bottle", "CARB": "Carbonated", "SNGL": "Single", "SRV": "Serve",
	"SS": "Single-Serve", "DNRS": "Dinners", "PREP": "Prepared", "FD": "Food", "FDS": "Foods", "SW": "Sweet", "GDS": "Goods", "GD": "Good",
	"SALD": "Salad", "DRSNG": "Dressing", "SNDWCH": "Sandwich", "SPRD": "Spread", "BKD": "Baked", "PCKGD": "Packaged", "HYGN": "Hygiene",
	"FEM": "Feminine", "CNTRL": "Control", "MISC": "Other", "FLVRD": "Flavored", "EXCP": "", "EXC": "", "INCL": "", "VEG": "Vegetables", "DRY": "Dry", "BN": "Beans",
	"SPLY": "Supplies", "MLT": "Multi", "PK": "Pack", "CHOCOCLATE": "Chocolate", "BEERALEMALT": "Beer, Ale & Malt", "GRND": "Ground", "PTTY": "Patties", "RFRGRATD": "Refrigerated",
	"SAUCESSALSAPICANTEE": "Sauces & Salsa", "SWEETNERS": "Sweeteners", "LNCH": "Lunch", "WTR": "Water", "SNKS": "Snacks", "CKYS": "Cookies", "CRKR": "Crackers", "CNDY": "Candy", "CRMD": "Creamed", "MT": "Meat", "DRUG": "Drugstore", "GM": "General Merchandise",
}

// readable turns the catalogue's capitals into a title: "SFT DRNK 2 LITER BTL
// CARB INCL" is "Soft Drink 2 Liter Bottle Carbonated". What is cut off in the
// data inside a bracket is left out.
func readable(s string) string {
	if i := strings.LastIndexByte(s, '('); i >= 0 && !strings.Contains(s[i:], ")") {
		s = s[:i]
	}
	var b strings.Builder
	var last byte // of what is done
	for s = tidy(s); s != ""; {
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

// packageSize writes a size as it is on a package: "16 OZ" is "16 oz".
func packageSize(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return ""
	}
	parts := strings.Fields(tidy(s))
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
