import { ReflectionKind } from 'typedoc'
import { ModuleRouter } from 'typedoc-plugin-markdown'

/** One page for each entry point. */
export class PageRouter extends ModuleRouter {
  /**
   * The plugin numbers the members of an export twice: for the page, and for the export. What it counts for the page has no
   * heading: `Fault.body` would take the anchor of `FaultBody`.
   */
  buildAnchors(target, pageTarget) {
    if (pageTarget.kindOf(ReflectionKind.Module) && target.parent !== pageTarget) return
    super.buildAnchors(target, pageTarget)
  }
}
