namespace Keyreeve.Web.Pages;

/// <summary>One scope as the consent page shows it: what the person agrees to.</summary>
/// <param name="Name">The scope token of RFC 6749 3.3, shown small for those who know it.</param>
/// <param name="Title">What it allows, as the end of "it can ...": "See your e-mail address".</param>
/// <param name="Description">One more sentence, or empty.</param>
/// <param name="Required">It cannot be unticked.</param>
public sealed record ScopeLine(string Name, string Title, string Description, bool Required = false);
