namespace Keyreeve.Server.Admin;

/// <summary>What kind of JSON value a member has.</summary>
public enum FieldKind
{
    /// <summary>A string.</summary>
    Text,

    /// <summary>A time as RFC 3339 writes it, in UTC.</summary>
    Time,

    /// <summary>true or false.</summary>
    Flag,

    /// <summary>An integer.</summary>
    Number,

    /// <summary>An array of strings.</summary>
    Texts,

    /// <summary>An object.</summary>
    Object,

    /// <summary>An array of objects.</summary>
    Objects,
}

/// <summary>One member.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Description">For people.</param>
/// <param name="ReadOnly">Written by the server. Accepted in requests and not looked at, so that what was read can be sent back changed.</param>
/// <param name="Required">Must be in a request.</param>
/// <param name="WriteOnly">In requests alone.</param>
public sealed record AdminField(string Name, FieldKind Kind, string Description, bool ReadOnly = false, bool Required = false, bool WriteOnly = false);

/// <summary>The members of a document: what the strict reader knows, and what the OpenAPI document says. One table for both.</summary>
public sealed record AdminSchema(string Name, params AdminField[] Fields);
