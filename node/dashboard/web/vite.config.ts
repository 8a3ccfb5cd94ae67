/// <reference types="vitest/config" />
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// `VIA_NODE=http://127.0.0.1:8080 npm run dev` shows the data of that node.
const node = process.env.VIA_NODE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    // The policy allows no inline code, so nothing may become a data URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    license: false,
  },
  server: { proxy: { "/api": { target: node, ws: true }, "/readyz": node, "/problems": node } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
