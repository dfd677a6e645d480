//! Names of made-up people, as they are written and in the letters that an address has.

/// A country, what people are called there, and the numbers that nobody has there.
pub(super) struct Country {
    pub(super) code: &'static str,
    /// How a telephone number begins; digits follow.
    pub(super) phone: &'static str,
    /// First names: as written, in plain letters.
    pub(super) first: &'static [(&'static str, &'static str)],
    /// Last names: as written, in plain letters.
    pub(super) last: &'static [(&'static str, &'static str)],
    /// Whether the last name is written first, without a space.
    pub(super) last_name_first: bool,
}

const GERMANY: Country = Country {
    code: "DE",
    phone: "+49-30-23125",
    first: &[
        ("Zoë", "zoe"),
        ("Jürgen", "juergen"),
        ("Anna", "anna"),
        ("Björn", "bjoern"),
        ("Emine", "emine"),
        ("Lukas", "lukas"),
        ("Käthe", "kaethe"),
        ("Mehmet", "mehmet"),
        ("Sophie", "sophie"),
        ("Jonas", "jonas"),
    ],
    last: &[
        ("Müller", "mueller"),
        ("Schröder", "schroeder"),
        ("Weiß", "weiss"),
        ("Yılmaz", "yilmaz"),
        ("Vogel", "vogel"),
        ("Jäger", "jaeger"),
        ("Nowak", "nowak"),
        ("Fischer", "fischer"),
        ("Großmann", "grossmann"),
        ("Kaya", "kaya"),
    ],
    last_name_first: false,
};

const FRANCE: Country = Country {
    code: "FR",
    phone: "+33-1-99-00",
    first: &[
        ("François", "francois"),
        ("Chloé", "chloe"),
        ("Amélie", "amelie"),
        ("Noël", "noel"),
        ("Inès", "ines"),
        ("Aïcha", "aicha"),
        ("Théo", "theo"),
        ("Léa", "lea"),
        ("Gaël", "gael"),
        ("Margaux", "margaux"),
    ],
    last: &[
        ("Lefèvre", "lefevre"),
        ("D'Aubigné", "daubigne"),
        ("Benoît", "benoit"),
        ("Moreau", "moreau"),
        ("Diallo", "diallo"),
        ("Garçon", "garcon"),
        ("Châtelain", "chatelain"),
        ("Roux", "roux"),
        ("Haddad", "haddad"),
    ],
    last_name_first: false,
};

const NETHERLANDS: Country = Country {
    code: "NL",
    phone: "+31-20-5550",
    first: &[
        ("Daniël", "daniel"),
        ("Femke", "femke"),
        ("Sanne", "sanne"),
        ("Joost", "joost"),
        ("Noé", "noe"),
        ("Fatima", "fatima"),
        ("Bram", "bram"),
        ("Lieke", "lieke"),
        ("Ruben", "ruben"),
    ],
    last: &[
        ("van 't Hoff", "vanthoff"),
        ("de Vries", "devries"),
        ("Jansen", "jansen"),
        ("El Idrissi", "elidrissi"),
        ("Bakker", "bakker"),
        ("Coëlho", "coelho"),
        ("Visser", "visser"),
        ("in 't Veld", "intveld"),
    ],
    last_name_first: false,
};

const UNITED_STATES: Country = Country {
    code: "US",
    phone: "+1-202-555-01",
    first: &[
        ("Aoife", "aoife"),
        ("Marcus", "marcus"),
        ("Priya", "priya"),
        ("José", "jose"),
        ("Mei", "mei"),
        ("Tyrone", "tyrone"),
        ("Olivia", "olivia"),
        ("Nayeli", "nayeli"),
        ("Ethan", "ethan"),
        ("Renée", "renee"),
        ("Kealoha", "kealoha"),
    ],
    last: &[
        ("O'Brien", "obrien"),
        ("Smith", "smith"),
        ("Nguyễn", "nguyen"),
        ("Peña", "pena"),
        ("Washington", "washington"),
        ("D'Angelo", "dangelo"),
        ("Patel", "patel"),
        ("Kowalski", "kowalski"),
        ("Begay", "begay"),
        ("Johnson", "johnson"),
    ],
    last_name_first: false,
};

const JAPAN: Country = Country {
    code: "JP",
    phone: "+81-3-5550",
    first: &[
        ("花子", "hanako"),
        ("太郎", "taro"),
        ("美咲", "misaki"),
        ("健", "ken"),
        ("さくら", "sakura"),
        ("翔太", "shota"),
        ("陽菜", "hina"),
        ("大輔", "daisuke"),
    ],
    last: &[
        ("山田", "yamada"),
        ("佐藤", "sato"),
        ("鈴木", "suzuki"),
        ("髙橋", "takahashi"),
        ("渡邉", "watanabe"),
        ("中村", "nakamura"),
        ("小林", "kobayashi"),
        ("𠮷田", "yoshida"),
    ],
    last_name_first: true,
};

const AUSTRALIA: Country = Country {
    code: "AU",
    phone: "+61-2-5550",
    first: &[
        ("Matilda", "matilda"),
        ("Lachlan", "lachlan"),
        ("Nikos", "nikos"),
        ("Siobhán", "siobhan"),
        ("Jarrah", "jarrah"),
        ("Ngoc", "ngoc"),
        ("Imogen", "imogen"),
        ("Cooper", "cooper"),
    ],
    last: &[
        ("O'Connor", "oconnor"),
        ("Papadopoulos", "papadopoulos"),
        ("Taylor", "taylor"),
        ("Trần", "tran"),
        ("Williams", "williams"),
        ("McAllister", "mcallister"),
        ("Đặng", "dang"),
    ],
    last_name_first: false,
};

const SINGAPORE: Country = Country {
    code: "SG",
    phone: "+65-3155",
    first: &[
        ("伟明", "weiming"),
        ("淑芬", "shufen"),
        ("Nurul", "nurul"),
        ("Kavitha", "kavitha"),
        ("嘉豪", "jiahao"),
        ("Aisyah", "aisyah"),
        ("Rajesh", "rajesh"),
    ],
    last: &[("陈", "tan"), ("林", "lim"), ("Rahman", "rahman"), ("Krishnan", "krishnan"), ("黄", "ng"), ("王", "ong")],
    last_name_first: true,
};

/// A region and its countries.
pub(super) struct Region {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) countries: &'static [Country],
}

/// All regions, in the order of `regions.csv`.
pub(super) const REGIONS: [Region; 3] = [
    Region { code: "EU", name: "Europe", countries: &[GERMANY, FRANCE, NETHERLANDS] },
    Region { code: "US", name: "United States", countries: &[UNITED_STATES] },
    Region { code: "APAC", name: "Asia Pacific", countries: &[JAPAN, AUSTRALIA, SINGAPORE] },
];
