using Keyreeve.Web.Pages;

namespace Keyreeve.Server.Settings;

/// <summary>The settings under <c>Branding</c>, each checked: what stands there is shown to everybody.</summary>
internal static class BrandingSettings
{
    public static Branding Read(Func<string, string?> text, Func<string, SettingsException> wrong)
    {
        var name = text("Branding:Name") ?? Branding.Default.Name;
        if (name.Length > 60 || name.Any(char.IsControl))
            throw wrong("Branding:Name");
        BrandColor? color = null;
        if (text("Branding:Color") is { } chosen && (color = BrandColor.TryRead(chosen)) is null)
            throw wrong("Branding:Color");
        var support = text("Branding:SupportUrl");
        if (support is not null && !(Uri.TryCreate(support, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "mailto"))
            throw wrong("Branding:SupportUrl");
        return new(name, color, text("Branding:LogoFile") is { } file ? Logo(file, wrong) : null, support);
    }

    private static (string ContentType, byte[] Content) Logo(string file, Func<string, SettingsException> wrong)
    {
        try
        {
            if (new FileInfo(file).Length > Branding.MaxLogo)
                throw wrong("Branding:LogoFile");
            var content = File.ReadAllBytes(file);
            return Branding.LogoTypeOf(content) is { } type ? (type, content) : throw wrong("Branding:LogoFile");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"Branding:LogoFile: {file} cannot be read: {e.Message}");
        }
    }
}
