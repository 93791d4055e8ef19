import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  base: "/",
  build: { outDir: "../src/lp_app/client", emptyOutDir: true, target: "es2022" },
});
