//! The functions of a parsed file, as far as their shape matters.

use syn::visit::{self, Visit};
use syn::{FnArg, Signature, Type, Visibility};

use super::source::lines;

/// A function, a method, or a trait's promise of one.
pub(crate) struct Function {
    /// Its file and line.
    pub(crate) place: String,
    /// Its name.
    pub(crate) name: String,
    /// Lines from its signature to its end.
    pub(crate) length: usize,
    /// How many parameters it takes, `self` included.
    pub(crate) parameters: usize,
    /// One of them is a bare `bool`.
    pub(crate) takes_bool: bool,
    /// It is `pub`, or promised by a public trait.
    pub(crate) is_public: bool,
}

/// Returns the functions in a file, wherever they are nested.
pub(crate) fn functions(path: &str, file: &syn::File) -> Vec<Function> {
    let mut found = Found { path, functions: Vec::new(), in_public_trait: false };
    found.visit_file(file);
    found.functions
}

struct Found<'a> {
    path: &'a str,
    functions: Vec<Function>,
    in_public_trait: bool,
}

impl Found<'_> {
    fn note(&mut self, signature: &Signature, last_line: usize, is_public: bool) {
        let first_line = signature.fn_token.span.start().line;
        let takes_bool = signature.inputs.iter().any(|input| match input {
            FnArg::Receiver(_) => false,
            FnArg::Typed(input) => {
                matches!(&*input.ty, Type::Path(path) if path.path.is_ident("bool"))
            }
        });
        self.functions.push(Function {
            place: format!("{}:{first_line}", self.path),
            name: signature.ident.to_string(),
            length: last_line + 1 - first_line,
            parameters: signature.inputs.len(),
            takes_bool,
            is_public,
        });
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.sig, lines(&item.block).1, is_public(&item.vis));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.sig, lines(&item.block).1, is_public(&item.vis));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let outer = std::mem::replace(&mut self.in_public_trait, is_public(&item.vis));
        visit::visit_item_trait(self, item);
        self.in_public_trait = outer;
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.note(&item.sig, lines(item).1, self.in_public_trait);
        visit::visit_trait_item_fn(self, item);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
