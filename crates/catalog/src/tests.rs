use super::*;

#[test]
fn the_embedded_files_are_right() {
    if let Err(problems) = Catalog::embedded() {
        panic!("{problems}");
    }
}
