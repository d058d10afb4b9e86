fn believe(supposed: &verify::Supposed) -> verify::Lineage {
    verify::Lineage(supposed.history().clone())
}

fn believe_by_conversion(supposed: verify::Supposed) -> verify::Lineage {
    supposed.into()
}

fn main() {}
