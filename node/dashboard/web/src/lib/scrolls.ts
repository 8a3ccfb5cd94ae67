/** Lets the keyboard reach what scrolls sideways, while it does. */
export function scrolls(node: HTMLElement): () => void {
  const look = () => {
    const isWider = node.scrollWidth > node.clientWidth + 1;
    if (isWider) {
      node.tabIndex = 0;
      node.setAttribute("role", "group");
      node.setAttribute("aria-label", `${node.closest("section")?.querySelector("h2")?.textContent ?? "Table"}, scrolls sideways`);
    } else for (const name of ["tabindex", "role", "aria-label"]) node.removeAttribute(name);
  };
  const observer = new ResizeObserver(look);
  observer.observe(node);
  if (node.firstElementChild) observer.observe(node.firstElementChild);
  return () => observer.disconnect();
}
